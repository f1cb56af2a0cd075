"""Let a classifier judge texts: given on the command line, in a file, or on standard input."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.classify import metrics, table
from mypt.classify.spec import Spec, spec_of
from mypt.classify.table import Row
from mypt.errors import Problem, UserError, raise_for
from mypt.settings.paths import in_workspace
from mypt.text import printable, whole
from mypt.tokenizers import from_dict

if TYPE_CHECKING:
    from mypt.classify.predict import Prediction

_STDIN = "standard input"
_NARROWEST = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which classifier, and which texts."""
    parser.add_argument(
        "--model_name", required=True, metavar="NAME", help="a classifier: sentiment_gold, sentiment, a path"
    )
    parser.add_argument(
        "--text", action="append", metavar="TEXT", help="a text; for a classifier of pairs given twice"
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="JSONL, .csv or .tsv with the columns of the training; - or nothing: standard input (JSONL, or a text a line)",
    )
    parser.add_argument("--batch_size", type=int, default=32, help="texts at a time [32]")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps [auto]")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a text, also on a terminal (elsewhere always)"
    )


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Judge, and say how much of it is right where the texts come with their classes."""
    info = bundle.find(workspace / "checkpoints", in_workspace(options.model_name, workspace))
    spec = spec_of(info)
    if options.batch_size < 1:
        raise UserError(Problem("must be at least 1", field="batch_size", value=options.batch_size))
    rows, shown = _rows(options, spec, workspace)
    tokenizer = from_dict(info.tokenizer, where=f"{info.name}/{bundle.TOKENIZER}")
    table.check_known(rows, shown, spec.text_columns, tokenizer.unknown)
    # Only now: torch takes a second to import, which bad input need not wait for.
    from mypt.classify.predict import open_classifier

    model = open_classifier(info, options.device)
    found = model.predictions([row.texts for row in rows], batch_size=options.batch_size)
    lines = options.json or not sys.stdout.isatty()
    given = list(_as_json(rows, found, spec) if lines else _as_table(rows, found, spec))
    _say_cut(rows, given, shown, model.model.config.block_size)
    _say_scores(rows, given, spec, to=sys.stderr if lines else sys.stdout)
    return 0


def _rows(options: argparse.Namespace, spec: Spec, workspace: Path) -> tuple[list[Row], str]:
    columns = spec.text_columns
    if options.text is not None:
        if options.data is not None:
            message = "was given together with data"
            raise UserError(Problem(message, field="text", remedy="name one of the two"))
        if len(options.text) != len(columns):
            message = f"the classifier judges {', '.join(columns)}: {len(columns)} texts are wanted, and here are {len(options.text)}"
            raise UserError(Problem(message, field="text", remedy="give --text once for each, in this order"))
        for text, column in zip(options.text, columns, strict=True):
            if not text.strip():
                raise UserError(Problem(f"the {column} is empty", field="text", value=text))
        return [Row(1, tuple(options.text), None)], "--text"
    if options.data in (None, "-"):
        if options.data is None and sys.stdin.isatty():
            print(f"mypt: reading {' and '.join(columns)} from standard input; Ctrl+D ends", file=sys.stderr)
        rows, _ = table.read_text(_stdin(), _STDIN, columns)
        if not rows:
            raise UserError(Problem("is empty", where=_STDIN, remedy="give texts with --text or --data"))
        return rows, _STDIN
    path = workspace / options.data
    rows = table.read_table(path, options.data, columns, _label_of(path, options.data, spec))
    raise_for(table.unknown_labels(rows, options.data, spec.label, spec.classes))
    return rows, options.data


def _label_of(path: Path, shown: str, spec: Spec) -> str | None:
    """The column of the classes where the file has one."""
    first = next(iter(table.read_rows(path, shown, table.Faults(shown))), None)
    return spec.label if first is not None and spec.label in first[1] else None


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        raise UserError(Problem(message, where=_STDIN)) from None


def _as_json(rows: Sequence[Row], found: Iterator[Prediction], spec: Spec) -> Iterator[Prediction]:
    for row, given in zip(rows, found, strict=True):
        record: dict[str, Any] = dict(zip(spec.text_columns, row.texts, strict=True))
        if row.label is not None:
            record[spec.label] = row.label
        record["prediction"], record["probability"] = given.label, round(given.probability, 6)
        record["probabilities"] = {name: round(value, 6) for name, value in given.probabilities.items()}
        # On a terminal no sign of a text may act.
        print(json.dumps(record, ensure_ascii=sys.stdout.isatty()), flush=True)
        yield given


def _as_table(rows: Sequence[Row], found: Iterator[Prediction], spec: Spec) -> Iterator[Prediction]:
    names = [printable(name, newline=False) for name in spec.classes]
    width = min(max(map(len, [*names, "prediction"])), 24)
    room = max(shutil.get_terminal_size().columns, _NARROWEST)
    labelled = any(row.label is not None for row in rows)
    head = f"{'prediction':<{width}}  {'prob':>5}  " + (f"  {'label':<{width}}  " if labelled else "")
    print(head + ", ".join(printable(name, newline=False) for name in spec.text_columns))
    for row, given in zip(rows, found, strict=True):
        line = f"{_fit(given.label, width):<{width}}  {given.probability:>5.3f}  "
        if labelled:
            wrong = row.label is not None and row.label != given.label
            line += f"{'✗' if wrong else ' '} {_fit(row.label or '', width):<{width}}  "
        print(line + _fit(" / ".join(row.texts), room - len(line)), flush=True)
        yield given


def _fit(text: str, width: int) -> str:
    shown = " ".join(printable(text).split())
    return shown if len(shown) <= width else shown[: max(width - 1, 0)] + "…"


def _say_cut(rows: Sequence[Row], given: Sequence[Prediction], shown: str, limit: int) -> None:
    from mypt.classify.encode import said_cut

    cut = [row.line for row, each in zip(rows, given, strict=True) if each.cut]
    if cut:
        sentence = said_cut(cut, len(rows), shown, limit).partition("; a larger")[0]
        print(printable(f"mypt: {sentence}"), file=sys.stderr)


def _say_scores(rows: Sequence[Row], given: Sequence[Prediction], spec: Spec, to: Any) -> None:
    judged = [(row.label, each) for row, each in zip(rows, given, strict=True) if row.label is not None]
    if not judged:
        return
    places = {name: place for place, name in enumerate(spec.classes)}
    truth = [places[label] for label, _ in judged]
    counts = metrics.confusion(truth, [places[each.label] for _, each in judged], len(places))
    found = metrics.scores(counts)
    chances = [max(each.probabilities[label], 1e-45) for label, each in judged]
    loss = -sum(map(math.log, chances)) / len(chances)
    print(
        f"accuracy {found[metrics.ACCURACY]:.4f}, macro-F1 {found[metrics.MACRO_F1]:.4f}, loss {loss:.4f} "
        f"over {whole(len(judged))} texts",
        file=to,
    )
