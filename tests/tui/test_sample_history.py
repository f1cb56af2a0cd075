"""What was asked and written: kept within bounds, by several at once, and back in the order in which it came."""

from __future__ import annotations

from pathlib import Path

from mypt.sampling.settings import Settings
from tui.screens.sample import history
from tui.screens.sample.history import History, Kept, Recall, answer_of, kept
from tui.screens.sample.talk import Answer


def text(number: int, model: str = "dante", prompt: str | None = None) -> Kept:
    return Kept(model=model, prompt=f"prompt {number}" if prompt is None else prompt, text=f"text {number}")


def test_what_was_added_is_there_the_next_time(tmp_path: Path) -> None:
    first = History(tmp_path)
    for number in range(3):
        first.add(text(number, model="dante" if number else "other"))
    again = History(tmp_path)
    assert again.texts == first.texts
    assert [t.text for t in again.of("dante")] == ["text 1", "text 2"]
    assert again.path == tmp_path / ".mypt" / "sample_history.jsonl"


def test_two_dashboards_add_to_one_file(tmp_path: Path) -> None:
    one, other = History(tmp_path), History(tmp_path)
    one.add(text(1))
    other.add(text(2))
    one.add(text(3))
    assert [t.text for t in History(tmp_path).texts] == ["text 1", "text 2", "text 3"]


def test_a_torn_or_foreign_line_hides_no_other(tmp_path: Path) -> None:
    kept_here = History(tmp_path)
    kept_here.add(text(1))
    with kept_here.path.open("ab") as file:
        file.write(b'{"model": "dan\n[1, 2]\n{"model": 7}\n\xff\xfe\n')
    kept_here.add(text(2))
    with kept_here.path.open("ab") as file:
        file.write(b'{"model": "torn')
    assert [t.text for t in History(tmp_path).texts] == ["text 1", "text 2"]


def test_a_workspace_that_cannot_be_written_remembers_while_it_is_open(tmp_path: Path) -> None:
    (tmp_path / ".mypt").write_text("a file where the folder should be")
    kept_here = History(tmp_path)
    kept_here.add(text(1))
    assert [t.text for t in kept_here.texts] == ["text 1"]
    kept_here.forget()
    assert kept_here.texts == []


def test_without_keeping_nothing_is_written(tmp_path: Path) -> None:
    History(tmp_path, keep=False).add(text(1))
    assert list(tmp_path.iterdir()) == []


def test_no_more_than_so_many_texts_come_back(tmp_path: Path) -> None:
    kept_here = History(tmp_path)
    for number in range(history.MOST + 20):
        kept_here.add(text(number))
    assert len(kept_here.texts) == history.MOST
    again = History(tmp_path).texts
    assert (again[0].text, again[-1].text) == ("text 20", f"text {history.MOST + 19}")


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    kept_here = History(tmp_path)
    for number in range(150):
        kept_here.add(
            kept(Answer(id="1", model="dante", prompt=f"prompt {number}", text="long " * 8000, why="end"))
        )
    assert kept_here.path.stat().st_size < history.LARGEST + 100_000
    again = History(tmp_path).texts
    assert again[-1].prompt == "prompt 149" and len(again) >= 20


def test_a_text_beyond_bounds_is_cut_and_half_characters_are_spelled(tmp_path: Path) -> None:
    History(tmp_path).add(kept(Answer(id="1", model="m", prompt="p" * 99_999, text="\ud800" + "t" * 99_999)))
    (found,) = History(tmp_path).texts
    assert len(found.prompt) == 40_000 and found.text.startswith("\\ud800t")


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    kept_here = History(tmp_path)
    kept_here.add(text(1))
    kept_here.forget()
    assert not kept_here.path.exists()
    assert History(tmp_path).texts == [] and kept_here.prompts() == []


def test_a_text_comes_back_as_it_was() -> None:
    answer = Answer(
        id="9", model="dante", prompt="ab", settings=Settings(seed=4, top_k=3), chat=True, system="be kind",
        step=8, text="c\x1bd", tokens=3, seconds=0.5, why="cancelled",
    )  # fmt: skip
    back = answer_of(kept(answer), 0)
    for name in ("model", "prompt", "settings", "chat", "system", "step", "text", "tokens", "seconds", "why"):
        assert getattr(back, name) == getattr(answer, name)
    assert back.shown == "c\\x1bd" and back.is_over


def test_prompts_come_each_once_where_they_were_asked_last(tmp_path: Path) -> None:
    kept_here = History(tmp_path)
    for prompt in ("a", "b", "", "a", "c"):
        kept_here.add(text(0, prompt=prompt))
    assert kept_here.prompts() == ["b", "a", "c"]


def test_recall_goes_back_and_forth_and_keeps_what_was_being_typed() -> None:
    recall = Recall(["one", "two"])
    assert recall.move(1, "dra") is None
    assert recall.move(-1, "draft") == "two"
    assert recall.move(-1, "two") == "one"
    assert recall.move(-1, "one") is None
    assert recall.move(1, "one, edited") == "two"
    assert recall.move(1, "two") == "draft"
    recall.add("three")
    assert recall.move(-1, "") == "three"
    recall.add("one")
    assert [recall.move(-1, "") for _ in range(4)] == ["one", "three", "two", None]
    assert Recall().move(-1, "") is None


def test_a_text_that_a_kill_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    History(tmp_path).add(text(1))
    path = tmp_path / ".mypt" / "sample_history.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:-9])
    History(tmp_path).add(text(2))
    assert [t.text for t in History(tmp_path).texts] == ["text 1", "text 2"]


def test_a_line_that_is_no_text_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / ".mypt" / "sample_history.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'{"model": "d\xff"}\n{"model": "good"}\n')
    assert [t.model for t in History(tmp_path).texts] == ["good"]
