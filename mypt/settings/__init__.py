"""Settings of a run: what there is (`fields`), presets, checks, and `resolve`, where they become effective values."""
