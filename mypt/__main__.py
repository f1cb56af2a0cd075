"""`python -m mypt` is `mypt`."""

import sys

from mypt.cli import main

if __name__ == "__main__":
    sys.exit(main())
