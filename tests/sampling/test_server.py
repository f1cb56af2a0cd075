"""The process's own work, without the process: real checkpoints, requests in turn, and every report it makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import mypt
from mypt.sampling.protocol import (
    Asked,
    Begun,
    Cancel,
    Drop,
    Ended,
    Failed,
    Load,
    Loading,
    Piece,
    Ready,
    Told,
    Write,
)
from mypt.sampling.server import Server
from mypt.sampling.settings import Settings
from mypt.tokenizers import CHAT_TOKENS, CharTokenizer
from mypt.tokenizers.bpe import train_bpe
from mypt.tokenizers.gpt2 import Gpt2Tokenizer
from tests.sampling.models import reciting
from tests.workbench import CHARS
from tests.workbench import mypt as mypt_command

SHORT = Settings(max_new_tokens=40, seed=3)


def said(workspace: Path, *requests: Asked) -> list[Told]:
    """All reports on these requests."""
    reports: list[Told] = []
    server = Server(workspace, reports.append)
    for request in (*requests, None):
        server.take(request)
    server.run()
    return reports


def text(reports: Sequence[Told], id: str) -> str:
    return "".join(r.text for r in reports if isinstance(r, Piece) and r.id == id)


def the(reports: Sequence[Told], kind: type[Told], id: str = "") -> list[Told]:
    return [r for r in reports if isinstance(r, kind) and getattr(r, "id", "") == id]


@pytest.mark.parametrize("model", ["dante", "dante_gold", "dante_fp16"])
def test_the_text_is_the_one_that_generate_prints(trained_once: Path, model: str) -> None:
    reports = said(trained_once, Write(id="a", model=model, prompt="once upon", settings=SHORT))
    flags = ["--prompt", "once upon", "--seed", "3", "--max_new_tokens", "40"]
    printed = mypt_command(trained_once, "generate", "--model_name", model, *flags).stdout
    assert "once upon" + text(reports, "a") == printed.removesuffix("\n")
    kinds = [type(report) for report in reports if not isinstance(report, Piece)]
    assert kinds == [Loading, Ready, Begun, Ended]
    assert reports[-1] == Ended(id="a", why="length", tokens=40, seconds=reports[-1].seconds)  # type: ignore[union-attr]


def test_what_is_loaded_says_what_it_is(trained_once: Path) -> None:
    loading, ready = said(trained_once, Load(model="dante_gold", device="cpu"))
    assert isinstance(ready, Ready) and isinstance(loading, Loading)
    info = mypt.load_bundle("dante_gold", trained_once).info
    assert (ready.model, ready.device, ready.context) == ("dante_gold", "cpu", 16)
    assert (ready.step, ready.modified) == (info.step, info.modified)
    assert ready.parameters == loading.parameters
    assert ready.tokenizer.startswith("char, ")
    assert not ready.answers


def test_two_texts_come_interleaved_and_each_is_itself(trained_once: Path) -> None:
    long = Settings(max_new_tokens=400, seed=3)
    asked = [Write(id="a", model="dante", prompt="ab", settings=long)]
    asked.append(Write(id="b", model="dante_gold", prompt="cd", settings=long))
    together = said(trained_once, *asked)
    order = [r.id for r in together if isinstance(r, Piece)]
    assert order.index("b") < len(order) - order[::-1].index("a") - 1
    for one in asked:
        assert text(together, one.id) == text(said(trained_once, one), one.id)
        assert len(text(together, one.id)) == 400


def test_a_text_is_cancelled_between_two_tokens(trained_once: Path) -> None:
    reports: list[Told] = []

    def hear(report: Told) -> None:
        reports.append(report)
        if isinstance(report, Piece) and report.id == "a":
            server.take(Cancel(id="a"))

    server = Server(trained_once, hear)
    for id in ("a", "b"):
        server.take(Write(id=id, model="dante", prompt="ab", settings=Settings(max_new_tokens=5000)))
    server.take(Write(id="c", model="dante", prompt="ab", settings=SHORT))
    server.take(Cancel(id="b"))
    server.take(None)
    server.run()
    (first,) = the(reports, Ended, "a")
    assert isinstance(first, Ended)
    # Its first letter was told, and that it shall end was known before the second was drawn.
    assert (first.why, first.tokens, text(reports, "a")) == ("cancelled", 1, text(reports, "a")[:1])
    (second,) = the(reports, Ended, "b")
    assert second == Ended(id="b", why="cancelled")
    (third,) = the(reports, Ended, "c")
    assert isinstance(third, Ended) and third.why == "length"


def test_an_id_may_be_used_again_after_it_was_cancelled(trained_once: Path) -> None:
    ask = Write(id="a", model="dante", settings=SHORT)
    (ended,) = the(said(trained_once, Cancel(id="a"), ask), Ended, "a")
    assert isinstance(ended, Ended) and ended.why == "length"
    reports = said(trained_once, ask, ask)
    assert the(reports, Failed, "a") == [Failed(id="a", message="a text of this id is being written already")]


def test_a_checkpoint_is_read_once_until_it_changes_on_disk(trained: Path) -> None:
    reports: list[Told] = []
    server = Server(trained, reports.append)

    def ask(*requests: Asked) -> list[Told]:
        reports.clear()
        for request in (*requests, None):
            server.take(request)
        server.run()
        return list(reports)

    load = Load(model="dante")
    assert [type(r) for r in ask(load, load)] == [Loading, Ready, Ready]
    before = text(ask(Write(id="a", model="dante", settings=SHORT)), "a")
    shutil.copytree(trained / "checkpoints" / "dante_gold", trained / "new")
    shutil.rmtree(trained / "checkpoints" / "dante")
    for file in (trained / "new").iterdir():
        os.utime(file, (2e9, 2e9))
    (trained / "new").rename(trained / "checkpoints" / "dante")
    model = mypt.load_bundle("dante", trained)
    with torch.no_grad():
        model.model.state_dict()["lm_head.weight"].mul_(-1.0)
    mypt.save_checkpoint_bundle(model.model, trained / "checkpoints" / "dante", step=9)
    # What is in memory goes on to write, until it is asked to look again.
    assert text(ask(Write(id="a", model="dante", settings=SHORT)), "a") == before
    loading, ready = ask(load)
    assert isinstance(loading, Loading) and isinstance(ready, Ready) and ready.step == 9
    assert text(ask(Write(id="a", model="dante", settings=SHORT)), "a") != before
    # Given back, it is read again when it is needed.
    assert [type(r) for r in ask(Drop(model="dante"), load)] == [Loading, Ready]


def test_no_more_than_two_are_kept_in_memory(trained_once: Path) -> None:
    names = ("dante", "dante_gold", "dante_fp16")
    reports = said(trained_once, *(Load(model=name) for name in (*names, "dante_gold", "dante")))
    read = [r.model for r in reports if isinstance(r, Loading)]
    assert read == [*names, "dante"]


def test_what_cannot_be_loaded_is_said_and_the_next_is_served(trained: Path) -> None:
    (trained / "checkpoints" / "dante_gold" / "model.pt").write_bytes(b"PK half of it")
    reports = said(
        trained,
        Load(model="nobody"),
        Load(model="dante_gold"),
        Load(model="dante", device="cuda:9"),
        Write(id="a", model="dante_gold", settings=SHORT),
        Write(id="b", model="dante", settings=SHORT),
    )
    failed = {(r.id, r.model): r.message for r in reports if isinstance(r, Failed)}
    assert set(failed) == {("", "nobody"), ("", "dante_gold"), ("", "dante"), ("a", "")}
    assert "no such checkpoint" in failed["", "nobody"]
    assert "model.pt" in failed["", "dante_gold"] and "model.pt" in failed["a", ""]
    assert "this machine does not have it" in failed["", "dante"]
    assert not any("Traceback" in message for message in failed.values())
    assert len(text(reports, "b")) == 40


def test_bad_requests_for_a_text_are_refused_in_words(trained_once: Path) -> None:
    reports = said(
        trained_once,
        Write(id="a", model="dante", prompt="Ärger"),
        Write(id="b", model="dante", settings=Settings(temperature=-1)),
        Write(id="c", model="dante", chat=True),
    )
    failed = {r.id: r.message for r in reports if isinstance(r, Failed)}
    assert "characters that dante has never seen: 'Ä' (got 'Ärger')" in failed["a"]
    assert "temperature: must be 0 or more" in failed["b"]
    assert "knows no conversation tags" in failed["c"]


def test_a_prompt_beyond_the_context_is_said_to_be_cut(trained_once: Path) -> None:
    reports = said(trained_once, Write(id="a", model="dante", prompt="ab" * 20, settings=SHORT))
    (begun,) = the(reports, Begun, "a")
    assert isinstance(begun, Begun)
    assert begun.notes == ["the prompt has 40 tokens, of which the model sees the last 16"]


def test_the_originals_bundles_write(samples: Path, tmp_path: Path) -> None:
    shutil.copytree(samples / "original" / "checkpoints", tmp_path / "checkpoints")
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names
    for name in names:
        reports = said(tmp_path, Write(id="a", model=name, prompt="The ", settings=SHORT))
        assert len(text(reports, "a")) == 40, (name, reports[-1])


def test_a_checkpoint_by_its_path(trained_once: Path) -> None:
    reports = said(trained_once, Write(id="a", model="checkpoints/dante", prompt="ab", settings=SHORT))
    assert text(reports, "a") == text(
        said(trained_once, Write(id="a", model="dante", prompt="ab", settings=SHORT)), "a"
    )


USER = "<myPT_user>ab</myPT_user>"
PLAY = f"{USER}<myPT_assistant>ef gh</myPT_assistant>ab ab"


def test_a_model_of_conversations_answers_until_its_closing_tag(tmp_path: Path) -> None:
    reciting(tmp_path, PLAY, CharTokenizer.from_text(PLAY + CHARS + "".join(CHAT_TOKENS)), masked=True)
    likeliest = Settings(temperature=0, max_new_tokens=60)
    reports = said(tmp_path, Write(id="a", model="actor", prompt="ab", settings=likeliest))
    (begun,), (ended,) = the(reports, Begun, "a"), the(reports, Ended, "a")
    assert isinstance(begun, Begun) and isinstance(ended, Ended)
    assert (begun.chat, ended.why, text(reports, "a")) == (True, "end", "ef gh")
    plain = Write(
        id="a", model="actor", prompt=USER, chat=False, settings=Settings(temperature=0, max_new_tokens=9)
    )
    assert text(said(tmp_path, plain), "a") == PLAY[len(USER) :][:9]
    system = Write(id="a", model="actor", prompt=USER, chat=False, system="be kind", settings=SHORT)
    (begun,) = the(said(tmp_path, system), Begun, "a")
    assert isinstance(begun, Begun) and "only told to a model that answers" in begun.notes[0]


@pytest.mark.parametrize("kind", ["bpe", "gpt2"])
def test_bytes_of_a_character_are_shown_when_it_is_whole(tmp_path: Path, kind: str) -> None:
    script = "a žluťoučký 🐸 長い\n"
    tokenizer = Gpt2Tokenizer() if kind == "gpt2" else train_bpe(["a plain text"], 270)
    reciting(tmp_path, script, tokenizer, masked=False)
    length = len(tokenizer.encode(script)) - 1
    # Some characters take several tokens.
    assert any("\ufffd" in tokenizer.decode([token]) for token in tokenizer.encode(script))
    ask = Write(id="a", model="actor", prompt="a", settings=Settings(temperature=0, max_new_tokens=length))
    reports = said(tmp_path, ask)
    assert "a" + text(reports, "a") == script
    assert not any("\ufffd" in r.text for r in reports if isinstance(r, Piece))


def test_control_characters_come_as_they_are_and_are_for_the_reader_to_escape(tmp_path: Path) -> None:
    script = "ab\x1b[2Jcd\u202e\nef"
    reciting(tmp_path, script, CharTokenizer.from_text(script), masked=False)
    ask = Write(
        id="a", model="actor", prompt="a", settings=Settings(temperature=0, max_new_tokens=len(script) - 1)
    )
    assert "a" + text(said(tmp_path, ask), "a") == script
