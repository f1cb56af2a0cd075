"""The JSON documents of a bundle, read without trust: whatever is in a file, it is a document or a sentence."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from mypt.errors import Problem, UserError
from mypt.files import read_file, why_no_file

# Metadata is read by the dashboard, so a file that claims to be JSON must not fill its memory.
_LARGEST_JSON = 256 * 1024 * 1024
_MOST_DIGITS = 300


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `UserError` naming the file and the place where it breaks off."""
    where = path.name
    if why := why_no_file(path):
        raise UserError(Problem(why, where=where))
    try:
        text = read_file(path, _LARGEST_JSON).decode("utf-8-sig")
        value = json.loads(text, parse_int=_whole)
    except OSError as error:
        reason = "" if error.errno == errno.EFBIG else "cannot be read: "
        raise UserError(Problem(f"{reason}{error.strerror}", where=where)) from None
    except UnicodeDecodeError as error:
        raise UserError(Problem(f"is not text: byte {error.start} is not UTF-8", where=where)) from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        what = "cut short" if cut else f"not JSON ({error.msg})"
        raise UserError(Problem(f"{what} at line {error.lineno}", where=where)) from None
    except MemoryError:
        raise UserError(Problem("is too large for the memory that is left", where=where)) from None
    except RecursionError:
        raise UserError(Problem("is nested too deeply to be what it should be", where=where)) from None
    except ValueError as error:
        raise UserError(Problem(f"holds a value that cannot be read: {error}", where=where)) from None
    if not isinstance(value, dict):
        raise UserError(Problem("must hold one JSON object", where=where))
    return value


def _whole(digits: str) -> int:
    """A whole number of a JSON file. Raises ValueError for one beyond every float: whoever counts with it would fail."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
