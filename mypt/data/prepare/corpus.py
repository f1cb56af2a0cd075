"""The texts of many files as one stream, for whoever only reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mypt.data.prepare import steps
from mypt.data.prepare.documents import whole_files
from mypt.data.prepare.inputs import Source
from mypt.data.prepare.plan import Cutter
from mypt.data.prepare.request import PrepareRequest
from mypt.errors import UserError
from mypt.tokenizers.cuts import BYTE_LEVEL


class Corpus:
    """All texts of `files`, some megabytes at a time, cut where no word is cut. `read` counts the bytes handed out.

    Raises `UserError` at the first file that is no text.
    """

    def __init__(self, request: PrepareRequest, files: list[Source]) -> None:
        self._request, self._files = request, files
        self.size = sum(file.size for file in files)
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        cutter = Cutter(BYTE_LEVEL)
        for document in whole_files(self._files).spans():
            for span in cutter.spans(document):
                for text in steps.texts(span):
                    if isinstance(text, steps.Invalid):
                        raise UserError(text.problem(self._request.shown(Path(span.file.path))))
                    yield text
                self.read += span.end - span.start
