"""The dashboard: a Textual program that reads files and starts processes, and never imports torch."""

import os

import mypt  # noqa: F401 - Ctrl+C ends what is still being loaded without a traceback

# After a frame Textual waits up to two frame times before it draws again, and a key pressed just then waits as long.
# At this rate that is 8 ms at most; a frame is still drawn only when something has changed.
os.environ.setdefault("TEXTUAL_FPS", "240")
# Over SSH a list that glides to its place is a hundred screens sent for one, drawn by cores that train.
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
