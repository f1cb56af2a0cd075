"""`python -m mypt` is `mypt`."""

import sys

if __name__ == "__main__":
    from mypt.cli import main

    sys.exit(main())
