"""The texts of many files as one stream, for whoever only reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mypt.data.prepare import steps
from mypt.data.prepare.documents import whole_files
from mypt.data.prepare.faults import FaultReport, Faults
from mypt.data.prepare.inputs import Source
from mypt.data.prepare.jsonl import Fault
from mypt.data.prepare.plan import Cutter
from mypt.data.prepare.request import PrepareRequest
from mypt.errors import Problem, UserError
from mypt.tokenizers.cuts import BYTE_LEVEL


class Corpus:
    """All texts of `files`, some megabytes at a time, cut where no word is cut. `read` counts the bytes handed out.

    Raises `UserError` at the first file, or line, that is no text, or where there is none.
    """

    def __init__(self, request: PrepareRequest, files: list[Source]) -> None:
        self._request, self._files = request, files
        self.size = sum(file.size for file in files)
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        cutter = Cutter(BYTE_LEVEL)
        any_text = False
        for document in whole_files(self._files).spans():
            line = 0
            for span in cutter.spans(document):
                for text in steps.texts(span):
                    if isinstance(text, Fault):
                        raise UserError(*self._located(span.file, line, text))
                    if isinstance(text, steps.Invalid):
                        raise UserError(text.problem(self._request.shown(Path(span.file.path))))
                    line += 1
                    if text:
                        any_text = True
                        yield text
                self.read += span.end - span.start
        if not any_text:
            raise UserError(Problem("hold no text", field="inputs", remedy="their texts are all empty"))

    def _located(self, file: Source, line: int, fault: Fault) -> list[Problem]:
        report, found = FaultReport(self._request), Faults()
        found.add(line, [fault])
        report.take(file, 0, found)
        return report.problems()
