"""Which MyPT this is. The lowest room of all, so that everything below the package's front door can say it."""

from __future__ import annotations

VERSION = "0.1.0"
