"""What the process says, folded into what the screen shows and the words for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mypt.bundle import BundleInfo, Kind
from mypt.sampling.process import Gone, Said
from mypt.sampling.protocol import Begun, Ended, Failed, Loading, Piece, Ready, Started
from mypt.sampling.settings import Settings
from tui.screens.sample.talk import Answer, Phase, Side, Talk
from tui.screens.sample.words import ending_words, process_words, state_words, summary, title


def ready(model: str = "dante", modified: float = 5.0) -> Ready:
    return Ready(
        model=model,
        device="cpu",
        parameters=152_000_000,
        context=16,
        tokenizer="char",
        step=8,
        modified=modified,
    )


def talk(*names: str) -> Talk:
    made = Talk()
    made.sides = [Side(name) for name in names or ("dante",)]
    return made


def asked(side: Side, id: str = "1") -> Answer:
    answer = Answer(id=id, model=side.name, prompt="ab", settings=Settings(seed=3))
    side.answers.append(answer)
    return answer


def info(modified: float, problem: str = "") -> BundleInfo:
    return BundleInfo(Path("checkpoints/dante"), "dante", Kind.LAST, modified=modified, problem=problem)


def test_the_words_follow_a_checkpoint_from_nothing_to_its_last_token() -> None:
    made = talk()
    (side,) = made.sides
    assert state_words(side, made) == "the model process starts …"
    assert process_words(made) == "model process: starting"
    made.hear(Started(pid=1, threads=2, niceness=10))
    assert process_words(made) == "model process: 2 threads, nice 10"
    assert state_words(side, made) == "waits …"
    made.hear(Loading(model="dante", parameters=152_000_000))
    assert state_words(side, made) == "loading 152M parameters …"
    assert made.hear(Said("GPT-2 vocabulary: downloading it")) == [side]
    assert state_words(side, made) == "loading 152M parameters … GPT-2 vocabulary: downloading it"
    made.hear(ready())
    assert state_words(side, made) == "ready · 152M parameters on cpu"
    answer = asked(side)
    assert state_words(side, made) == "waits for its turn …"
    made.hear(Begun(id="1", step=8))
    assert state_words(side, made) == "reading the prompt …"
    made.hear(Piece(id="1", text="c\x1b", tokens=1, seconds=0.0))
    assert state_words(side, made) == "writing · 1 of 300"
    made.hear(Piece(id="1", text="d", tokens=42, seconds=1.0))
    assert state_words(side, made) == "writing 41 tok/s · 42 of 300"
    made.hear(Ended(id="1", why="length", tokens=42, seconds=1.0))
    assert state_words(side, made).startswith("ready")
    assert (answer.text, answer.shown, answer.is_over) == ("c\x1bd", "c\\x1bd", True)
    assert ending_words(answer) == "step 8 · seed 3 · 42 tokens · 41 tok/s"


def test_a_report_changes_the_side_that_it_is_of_and_no_other() -> None:
    made = talk("dante", "dante_gold")
    left, right = made.sides
    assert made.hear(ready("dante_gold")) == [right]
    assert [left.phase, right.phase] == [Phase.WAITING, Phase.READY]
    asked(left, "1"), asked(right, "2")
    assert made.hear(Piece(id="2", text="x", tokens=1, seconds=0.0)) == [right]
    assert (left.answers[-1].text, right.answers[-1].text) == ("", "x")


@pytest.mark.parametrize(
    "report",
    [
        Piece(id="9", text="x", tokens=1, seconds=0.0),
        Ended(id="9", why="end"),
        Failed(id="9", message="late"),
        ready("gone"),
        Failed(model="gone", message="late"),
        Failed(message="not a request"),
    ],
)
def test_a_report_on_what_is_not_here_any_more_changes_nothing(
    report: Ended | Failed | Piece | Ready,
) -> None:
    made = talk()
    asked(made.sides[0])
    assert made.hear(report) == []
    assert made.is_writing and made.sides[0].phase is Phase.WAITING


def test_what_fails_is_kept_with_its_sentence() -> None:
    made = talk()
    (side,) = made.sides
    made.hear(Started(pid=1, threads=1))
    made.hear(Failed(model="dante", message="model.pt: is damaged"))
    assert (side.phase, side.trouble) == (Phase.FAILED, "model.pt: is damaged")
    assert state_words(side, made) == "cannot be loaded"
    answer = asked(side)
    made.hear(Failed(id="1", message="prompt: holds characters"))
    assert answer.is_over and answer.trouble == "prompt: holds characters"
    made.hear(ready())
    assert (side.phase, side.trouble) == (Phase.READY, "")


def test_when_the_process_is_gone_nothing_is_ready_and_no_text_waits() -> None:
    made = talk("dante", "dante_gold")
    made.hear(Started(pid=1, threads=1))
    made.hear(ready())
    answer = asked(made.sides[0])
    made.hear(Piece(id="1", text="x", tokens=1, seconds=0.0))
    assert made.hear(Gone(-9, "it was killed by SIGKILL")) == made.sides
    assert not made.is_writing and answer.text == "x" and answer.why == "failed"
    assert {state_words(side, made) for side in made.sides} == {"the model process ended"}
    made.begin_anew()
    assert state_words(made.sides[0], made) == "the model process starts …"


def noticed(side: Side) -> tuple[BundleInfo | None, bool]:
    return side.newer, side.missing


def test_what_is_newer_on_disk_is_news_once() -> None:
    (side,) = talk().sides
    assert not side.look_at(info(9.0)), "nothing is in memory yet"
    side.ready = ready(modified=5.0)
    assert not side.look_at(info(5.0))
    assert side.look_at(info(6.0))
    assert not side.look_at(info(6.0))
    assert side.look_at(info(7.0))
    assert noticed(side) == (info(7.0), False)
    assert side.look_at(None)
    assert noticed(side) == (None, True)
    assert not side.look_at(None)
    # Something broken in its place is no newer one.
    assert side.look_at(info(8.0, problem="model.pt is missing"))
    assert noticed(side) == (None, False)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dante", "dante last"),
        ("dante_gold", "dante ★ gold"),
        ("dante_fp16", "dante fp16"),
        ("a\x1bb", "a\\x1bb last"),
    ],
)
def test_a_bundle_is_called_as_people_call_it(name: str, shown: str) -> None:
    assert title(name) == shown


def test_two_bundles_beside_each_other_are_called_so_that_they_are_told_apart() -> None:
    one, other = "gpt2_openwebtext_lr1e-3_seed1_gold", "gpt2_openwebtext_lr1e-3_seed2"
    assert title(one, [other], 24) == "gpt2…lr1e-3_seed1 ★ gold"
    assert title(other, [one], 24) == "gpt2_o…lr1e-3_seed2 last"
    assert title(one, [other]) == "gpt2_openwebtext_lr1e-3_seed1 ★ gold"


def test_the_line_below_a_text_says_what_is_not_usual() -> None:
    answer = Answer(id="1", model="m", prompt="", why="end", tokens=1, chat=True)
    answer.settings = Settings(temperature=0, top_k=5, top_p=0.9, repetition_penalty=1.1)
    assert (
        ending_words(answer)
        == "temp 0 · top_k 5 · top_p 0.9 · penalty 1.1 · chat · 1 token · the model ended it"
    )


def test_the_settings_in_one_line() -> None:
    assert summary(Settings()) == "temperature 0.8 · 300 tokens · any seed · chat auto"
    said = summary(Settings(seed=3, top_k=4), chat="on", same_seed=False, sides=2)
    assert said == "temperature 0.8 · top_k 4 · 300 tokens · seed 3 · another for the second · chat on"


def test_what_is_copied_is_what_generate_would_print() -> None:
    assert Answer(id="1", model="m", prompt="ab", text="cd").whole == "abcd"
    assert Answer(id="1", model="m", prompt="ab", text="cd", chat=True).whole == "cd"
