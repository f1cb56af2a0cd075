"""Values of every kind in what has been parsed already: readers say what is wrong with them, and raise nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as some

from mypt import events, tokenizers
from mypt.data.chat.messages import parse
from mypt.errors import UserError
from mypt.events import BadLineError, LineReader
from mypt.interop import preview
from mypt.runs.record import RunRecord
from mypt.sampling import protocol
from mypt.settings.fields import names
from mypt.settings.model_config import GPTConfig
from mypt.settings.problems import validate
from mypt.watch.lines import LineDecoder
from tests.faults.bad.judge import hostile
from tests.faults.rounds import SEED, times

TEXT = some.text(some.characters(), max_size=12)
NUMBERS = some.one_of(
    some.integers(),
    some.floats(),
    some.sampled_from(
        (0, -1, 2**31, 2**53 + 1, 2**63, -(2**64), 10**30, 1e308, float("inf"), float("nan"), -0.0)
    ),
)
LEAVES = some.one_of(some.none(), some.booleans(), NUMBERS, TEXT)
VALUES = some.recursive(
    LEAVES,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def objects(*known: str) -> some.SearchStrategy[dict[str, Any]]:
    """JSON objects whose fields have names that are known, and others."""
    return some.dictionaries(some.sampled_from(known) | TEXT, VALUES, max_size=10)


def often(test: Callable[..., None]) -> Callable[..., None]:
    """As often as the round says, with its seed."""
    how = settings(
        max_examples=times(25, 5000), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    return how(seed(SEED)(test))


EVENTS = sorted(events.NAMES | {"gold_checkpoint_final_eval", "theirs"})
FIELDS = sorted(
    {name for kind in events.Event.__subclasses__() for name in kind.__struct_fields__}
    | {"nonfinite", "eval_x"}
)


@often
@given(some.sampled_from(EVENTS), objects(*FIELDS))
def test_an_event_is_one_or_a_bad_line(name: str, fields: dict[str, Any]) -> None:
    line = json.dumps({"event": name, **fields}).encode()
    event = None
    with contextlib.suppress(BadLineError):
        event = events.decode(line)
        assert event is not None
    if event is not None:
        # What was read can be written, and is then read as well.
        assert events.decode(events.encode(event)) is not None
    decoder = LineDecoder()
    assert len(decoder.feed(line + b"\n")) + decoder.bad == 1


@often
@given(
    some.lists(some.binary(max_size=30) | some.just(b'{"event":"train","iter":1}\n'), max_size=8), some.data()
)
def test_a_log_reads_the_same_however_it_is_cut(pieces: list[bytes], data: some.DataObject) -> None:
    whole = b"".join(pieces)
    one, other = LineReader(), LineReader()
    expected = [*one.feed(whole), *one.finish()]
    cut = sorted(data.draw(some.lists(some.integers(0, len(whole)), max_size=5)))
    found = [
        event for a, b in zip([0, *cut], [*cut, len(whole)], strict=True) for event in other.feed(whole[a:b])
    ]
    assert [*found, *other.finish()] == expected and other.bad == one.bad


@often
@given(
    objects("messages", "system")
    | some.builds(lambda m: {"messages": m}, some.lists(objects("role", "content", "think")))
)
def test_a_conversation_has_messages_or_faults(line: dict[str, Any]) -> None:
    found = parse(json.dumps(line).encode("utf-8", "surrogatepass"))
    assert bool(found.messages) != bool(found.faults)


@often
@given(objects(*GPTConfig.__dataclass_fields__, "mlp_hidden"))
def test_a_config_is_one_or_names_its_file(values: dict[str, Any]) -> None:
    try:
        config = GPTConfig.from_dict(values, where="c/config.json")
    except UserError as error:
        assert all(problem.where == "c/config.json" and problem.field for problem in error.problems)
        assert not hostile(str(error))
        return
    assert GPTConfig.from_dict(config.to_dict()).n_embd == config.n_embd


@often
@given(objects(*names()))
def test_settings_are_typed_or_told(values: dict[str, Any]) -> None:
    for strict in (True, False):
        typed, problems = validate(values, where="configs/p.json", strict=strict)
        assert not any(hostile(str(problem)) for problem in problems)
        assert set(typed) <= set(names())


@often
@given(objects("token_kind", "chars", "special_token_encoder", "tokenizer", "model", "added_tokens"))
def test_a_tokenizer_is_one_or_names_its_file(values: dict[str, Any]) -> None:
    for kind in ("char", "gpt2", "bpe", None):
        try:
            tokenizers.from_dict({**values, "token_kind": kind} if kind else values, "d/tokenizer.json")
        except UserError as error:
            assert "d/tokenizer.json" in str(error) and not hostile(str(error))


@often
@given(objects(*RunRecord.__dataclass_fields__))
def test_a_record_is_one_or_says_what_is_missing(values: dict[str, Any]) -> None:
    good = {
        "run_id": "r",
        "model_name": "m",
        "log_file": "l",
        "command": [],
        "created_at": "",
        "origin": "shell",
    }
    for value in (values, {**good, **values}):
        with contextlib.suppress(ValueError):
            assert RunRecord.from_json(value).to_json()["run_id"] is not None


@often
@given(
    some.sampled_from(("load", "write", "started", "ready", "piece", "x")),
    objects("id", "model", "settings", "text", "tokens"),
)
def test_messages_between_processes(kind: str, fields: dict[str, Any]) -> None:
    for tag, read in (("ask", protocol.read_request), ("say", protocol.read_report)):
        line = json.dumps({tag: kind, **fields}, allow_nan=True).encode()
        with contextlib.suppress(msgspec.DecodeError):
            assert protocol.to_line(read(line)).endswith(b"\n")


@often
@given(objects("path", "title", "info", "notes", "problem", "size") | VALUES)
def test_what_an_import_says_of_itself(value: Any) -> None:
    assert isinstance(preview.read(json.dumps(value)), preview.Preview)
