"""How a run is known: its record on disk, who runs it, the lock on its model, and what state it is in.

Nothing is imported here, so that the small supervisor pays only for what it uses:
`identity` (a process that cannot be mistaken for another), `lock` (one run a model), `record` (`.mypt/runs/…`),
`state` (a pure function of the evidence), `attach` (the trainer's side).
"""
