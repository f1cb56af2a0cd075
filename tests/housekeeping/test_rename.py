"""A model under another name: what goes along, what is refused, and that nothing is half done."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from mypt import bundle, housekeeping
from mypt.errors import RunError, UserError
from mypt.fsio import write_json_atomic
from mypt.runs import record
from mypt.runs.lock import ModelLock
from mypt.runs.log_lock import LogLock
from mypt.runs.record import list_records
from mypt.watch.checkpoints import Model, lineage
from mypt.watch.inventory import Workspace
from mypt.watch.renames import Renamed, present_name, read_renames
from tests.housekeeping.models import BEGAN, ended, log, model, names, save
from tests.workbench import listing


def refusal(place: Path, old: str, new: str) -> str:
    """What is said against it. Nothing may have changed but locks."""
    before = {name: data for name, data in listing(place).items() if not name.startswith(".mypt")}
    with pytest.raises(UserError) as error:
        housekeeping.rename(place, old, new)
    assert {name: data for name, data in listing(place).items() if not name.startswith(".mypt")} == before
    looked = "\n".join(map(str, housekeeping.rename_problems(place, old, new)))
    # What is held tells since when, and time goes on.
    assert re.sub(r"\(\w+ ago\)", "", looked) == re.sub(r"\(\w+ ago\)", "", str(error.value))
    return str(error.value)


def test_bundles_log_and_records_go_together(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    done = housekeeping.rename(tmp_path, "dante", "virgil")
    assert names(tmp_path) == ["virgil", "virgil_fp16", "virgil_gold"]
    assert sorted(p.name for p in (tmp_path / "logs" / "train").iterdir()) == ["virgil_eval.jsonl"]
    [kept] = list_records(tmp_path).records
    assert (kept.model_name, kept.log_file) == ("virgil", "logs/train/virgil_eval.jsonl")
    assert kept.command == ("mypt", "train", "--model_name", "virgil")
    assert kept.extra["renamed"][0]["from"] == "dante"
    assert not (tmp_path / ".mypt" / "housekeeping" / "rename.json").exists()
    assert len(done.moves) == 4 and done.sentences[-1] == "1 run record"


def test_the_workspace_shows_one_run_with_its_curve(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    housekeeping.rename(tmp_path, "dante", "virgil")
    picture = Workspace(tmp_path)
    picture.load()
    [run] = picture.runs
    assert run.name == "virgil" and run.history.latest("val") == 2.5


def test_a_fine_tune_finds_its_base_under_every_later_name(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    save(tmp_path, "child", base="dante_gold")
    housekeeping.rename(tmp_path, "dante", "virgil")
    housekeeping.rename(tmp_path, "virgil", "beatrice")
    [root] = Workspace(tmp_path).lineage()
    assert (root.name, [child.name for child in root.children]) == ("beatrice", ["child"])


def test_a_later_model_of_the_old_name_does_not_take_its_fine_tunes(tmp_path: Path) -> None:
    save(tmp_path, "dante")
    save(tmp_path, "first", base="dante")
    housekeeping.rename(tmp_path, "dante", "virgil")
    save(tmp_path, "dante")
    save(tmp_path, "second", base="dante", began=datetime.now().isoformat())
    found = {m.name: [child.name for child in m.children] for m in Workspace(tmp_path).lineage()}
    assert found == {"dante": ["second"], "virgil": ["first"]}


def test_a_renamed_fine_tune_keeps_its_base(tmp_path: Path) -> None:
    save(tmp_path, "dante")
    save(tmp_path, "child", base="dante")
    housekeeping.rename(tmp_path, "child", "adult")
    [root] = Workspace(tmp_path).lineage()
    assert [child.name for child in root.children] == ["adult"]


@pytest.mark.parametrize(
    ("began", "here", "expected"),
    [
        (0.0, [], "c"),
        (1.5, [], "a"),
        (2.5, [], "a"),
        (None, [], "c"),
        (None, ["a"], "a"),
        (0.0, ["a"], "c"),
    ],
)
def test_the_present_name_depends_on_when_it_was_said(
    began: float | None, here: list[str], expected: str
) -> None:
    renames = [Renamed("a", "b", 1.0), Renamed("b", "c", 2.0)]
    assert present_name("a", began, renames, here) == expected


def test_swapped_names_are_told_apart() -> None:
    renames = [Renamed("a", "t", 1.0), Renamed("b", "a", 2.0), Renamed("t", "b", 3.0)]
    assert present_name("a", 0.5, renames) == "b"
    assert present_name("b", 0.5, renames) == "a"
    assert present_name("a", 2.5, renames) == "a"


def test_without_renames_the_tree_is_as_before(tmp_path: Path) -> None:
    save(tmp_path, "dante")
    save(tmp_path, "child", base="dante", began=None)
    infos = bundle.list_bundles(tmp_path / "checkpoints")
    tree: tuple[Model, ...] = lineage(infos)
    assert tree == lineage(infos, ())


def test_a_log_that_was_asked_for_by_name_stays(tmp_path: Path) -> None:
    save(tmp_path, "dante", log_file="logs/train/dante_eval.jsonl")
    log(tmp_path, "dante")
    housekeeping.rename(tmp_path, "dante", "virgil")
    assert (tmp_path / "logs" / "train" / "dante_eval.jsonl").exists()
    assert bundle.find(tmp_path / "checkpoints", "virgil").training_config["log_file"] == (
        "logs/train/dante_eval.jsonl"
    )


def test_a_broken_model_can_be_renamed_too(tmp_path: Path) -> None:
    (save(tmp_path, "dante") / "config.json").write_text("{")
    housekeeping.rename(tmp_path, "dante", "virgil")
    assert "config.json" in bundle.read_info(tmp_path / "checkpoints" / "virgil").problem


def test_a_model_that_has_gold_alone(tmp_path: Path) -> None:
    save(tmp_path, "dante_gold")
    housekeeping.rename(tmp_path, "dante", "virgil")
    assert names(tmp_path) == ["virgil_gold"]


@pytest.mark.parametrize("old", ["m" * 200, "長" * 60, "[red]x[b]", "\x1b[31mred", "-x", " y ", "a\nb"])
def test_hostile_names_get_plain_ones(tmp_path: Path, old: str) -> None:
    save(tmp_path, old)
    done = housekeeping.rename(tmp_path, old, "plain")
    assert names(tmp_path) == ["plain"]
    assert all(sentence.isprintable() for sentence in done.sentences)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("virgil", "checkpoints/virgil_gold is there already"),
        ("dante", "is its name already"),
        ("", "needs a name"),
        ("a/b", "would leave checkpoints/"),
        ("..", "would leave checkpoints/"),
        ("x_gold", "names ending in _gold"),
        ("x_FP16", "names ending in _fp16"),
        ("\x1b[31m", "control characters"),
        ("logged", "another run's curve"),
    ],
)
def test_refused_names(tmp_path: Path, new: str, words: str) -> None:
    model(tmp_path, "dante")
    save(tmp_path, "virgil_gold")
    log(tmp_path, "logged")
    said = refusal(tmp_path, "dante", new)
    assert words in said and said.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("old", "words"),
    [("nobody", "there are: dante"), ("dante_gold", "rename dante"), ("../dante", "no such model")],
)
def test_what_is_no_model(tmp_path: Path, old: str, words: str) -> None:
    model(tmp_path, "dante")
    assert words in refusal(tmp_path, old, "virgil")


def test_refused_while_a_trainer_holds_either_name(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    for held in ("dante", "virgil"):
        with ModelLock(tmp_path, held).acquire(command=["mypt", "train"], run_id="r1"):
            assert "is in use: held by" in refusal(tmp_path, "dante", "virgil")


def test_refused_while_it_is_queued_and_while_its_fine_tune_is(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    waiting = record.create(
        tmp_path, model_name="dante", log_file="x.jsonl", command=["mypt"], origin="queue", queued=True
    )
    assert f"is queued to be trained (run {waiting.run_id})" in refusal(tmp_path, "dante", "virgil")
    (waiting.directory(tmp_path).path / "exit.json").write_text("{}")
    record.create(
        tmp_path,
        model_name="child",
        log_file="y.jsonl",
        command=["mypt", "train", "--init-from-model=dante_gold"],
        origin="queue",
        queued=True,
    )
    assert "the run of child is to begin with it" in refusal(tmp_path, "dante", "virgil")
    save(tmp_path, "child")
    housekeeping.rename(tmp_path, "dante", "virgil")


def test_refused_while_a_living_process_saves_it(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    staging = tmp_path / "checkpoints" / f".tmp.{os.getppid()}.dante_gold"
    staging.mkdir()
    assert f"dante_gold: is being saved right now, by process {os.getppid()}" in refusal(
        tmp_path, "dante", "virgil"
    )
    staging.rename(tmp_path / "checkpoints" / ".tmp.4194999.dante_gold")
    housekeeping.rename(tmp_path, "dante", "virgil")
    assert names(tmp_path) == ["virgil", "virgil_fp16", "virgil_gold"]


def test_refused_while_another_run_writes_its_log(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    lock = LogLock(tmp_path, tmp_path / "logs" / "train" / "dante_eval.jsonl")
    lock.acquire()
    try:
        with pytest.raises(UserError, match="another run writes it now"):
            housekeeping.rename(tmp_path, "dante", "virgil")
    finally:
        lock.release()
    assert names(tmp_path) == ["dante", "dante_fp16", "dante_gold"]


def test_a_disk_that_refuses_leaves_all_as_it_was(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    if os.getuid() == 0:
        pytest.skip("nothing is forbidden to root")
    (tmp_path / "logs" / "train").chmod(0o500)
    try:
        with pytest.raises(RunError, match="all is as it was"):
            housekeeping.rename(tmp_path, "dante", "virgil")
    finally:
        (tmp_path / "logs" / "train").chmod(0o700)
    assert names(tmp_path) == ["dante", "dante_fp16", "dante_gold"]
    assert read_renames(tmp_path) == ()


def test_a_move_that_fails_undoes_those_before_it(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    # A folder in the way that appears after the look: what a race with another program would be.
    from mypt.housekeeping import journal
    from mypt.housekeeping import renaming as room

    plan = room._plan(tmp_path, "dante", "virgil")
    blocked = tmp_path / "checkpoints" / "virgil_fp16"
    blocked.mkdir()
    (blocked / "file").write_text("in the way")
    with pytest.raises(RunError, match="all is as it was"):
        room._begin(tmp_path, plan)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        *("dante", "dante_fp16", "dante_gold", "virgil_fp16")
    ]
    assert journal.read_journal(tmp_path) is None


def test_a_cut_off_rename_is_ended_by_who_comes_next(tmp_path: Path) -> None:
    from mypt.housekeeping import journal
    from mypt.housekeeping import renaming as room

    model(tmp_path, "dante")
    plan = room._plan(tmp_path, "dante", "virgil")
    journal.journal(tmp_path).parent.mkdir(parents=True)
    write_json_atomic(journal.journal(tmp_path), asdict(plan))
    (tmp_path / "checkpoints" / "dante").rename(tmp_path / "checkpoints" / "virgil")
    assert housekeeping.recover(tmp_path) == [
        "dante is called virgil now: a rename that was cut off is complete"
    ]
    assert names(tmp_path) == ["virgil", "virgil_fp16", "virgil_gold"]
    assert list_records(tmp_path).records[0].model_name == "virgil"
    assert [r.new for r in read_renames(tmp_path)] == ["virgil"]
    assert housekeeping.recover(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"old": "a", "new": "b", "at": 1, "moves": [["checkpoints/a", "../../b"]], "runs": []}',
        '{"old": "a", "new": "b", "at": 1, "moves": [["/etc/passwd", "checkpoints/b"]], "runs": []}',
    ],
)
def test_a_journal_that_cannot_be_ours_is_said_and_moves_nothing(tmp_path: Path, content: str) -> None:
    model(tmp_path, "dante")
    path = tmp_path / ".mypt" / "housekeeping" / "rename.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    [said] = housekeeping.recover(tmp_path)
    assert "rename.json" in said
    assert names(tmp_path) == ["dante", "dante_fp16", "dante_gold"]


def test_recovery_writes_nothing_where_nothing_was_cut_off(tmp_path: Path) -> None:
    assert housekeeping.recover(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_other_records_are_left_alone(tmp_path: Path) -> None:
    model(tmp_path, "dante")
    other = ended(tmp_path, "other", "--init_from_model", "dante")
    housekeeping.rename(tmp_path, "dante", "virgil")
    assert other in list_records(tmp_path).records


def test_the_times_of_the_tests_are_in_the_past() -> None:
    assert datetime.fromisoformat(BEGAN) < datetime.now()


def test_an_entry_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / ".mypt" / "renames.json"
    path.parent.mkdir()
    path.write_text(
        '{"renames": [{"old": "a", "new": "b", "at": NaN}, 7, {"old": "c"}, {"old": "d", "new": "e", "at": 1}]}'
    )
    assert read_renames(tmp_path) == (Renamed("d", "e", 1.0),)
