"""The documentation and sources of the Python that runs this: a text that every installation brings along."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from mypt.errors import Problem, UserError

_REMEDY = (
    "some installations leave it out to save space: use the corpus 'stories', a text of your own, or a Python "
    "from python.org, uv or conda"
)


def python_docs(*, sources: bool = False) -> str:
    """Python's own reference topics (about half a megabyte), and with `sources` the modules of its standard library
    that are plain ASCII (another 4 to 5 MB), in a fixed order, each under a heading.

    Raises UserError where the installation has neither of what was asked for.
    """
    texts = _topics()
    if sources:
        texts += _sources()
    return "\n\n".join(f"{title}\n\n{text.strip()}" for title, text in texts) + "\n"


def _topics() -> list[tuple[str, str]]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise UserError(
            Problem("this Python comes without its documentation", "pydoc_data", remedy=_REMEDY)
        ) from None
    return sorted(topics.items())


def _sources() -> list[tuple[str, str]]:
    folder = Path(sysconfig.get_path("stdlib"))
    found = []
    for file in sorted(folder.glob("*.py")):
        raw = file.read_bytes()
        # A handful of modules spell names in other scripts; a character-level vocabulary would grow by hundreds.
        if raw.isascii():
            found.append((f"# {file.name}", raw.decode("ascii").replace("\r\n", "\n")))
    if not found:
        raise UserError(Problem("holds no source files of the standard library", str(folder), remedy=_REMEDY))
    return found
