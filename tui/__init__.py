"""The dashboard: a Textual program that reads files and starts processes, and never imports torch."""

import os

# After a frame Textual waits up to two frame times before it draws again, and a key pressed just then waits as long.
# Twice its usual rate makes that 17 ms at most; a frame is still drawn only when something has changed.
os.environ.setdefault("TEXTUAL_FPS", "120")
