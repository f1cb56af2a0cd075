"""`python -m mypt` is `mypt`."""

import signal
import sys

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is somebody to say so in a line, Ctrl+C ends the program without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mypt.cli import main

    sys.exit(main())
