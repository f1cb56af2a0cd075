"""Who reads what runs leave: logs, records, locks, journals; and what a person sets: presets, preferences, keys."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mypt import events
from mypt.errors import MyptError, RunError, UserError
from mypt.events import LogWriter, read_log
from mypt.files import why_no_file
from mypt.fsio import write_json_atomic
from mypt.housekeeping.journal import Renaming, journal, read_journal
from mypt.housekeeping.recovery import recover
from mypt.launch import queue
from mypt.runs import directory, record
from mypt.runs.directory import ExitRecord, RunDirectory, runs_folder
from mypt.runs.identity import ProcessIdentity
from mypt.runs.lock import ModelLock
from mypt.sampling import protocol
from mypt.sampling.settings import Settings
from mypt.settings.presets import config_of, load_preset
from mypt.watch.facts import looks_at, names_in
from mypt.watch.inventory import Workspace
from mypt.watch.renames import Renamed, read_renames, remember
from tests.faults.bad.judge import Reader, command, hostile
from tests.faults.ground import PRESET
from tests.processes import wait_until
from tests.tui.logs import write_run
from tests.workbench import wait_for
from tui.screens.runs.columns import cells_of

# ── logs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _make_log(folder: Path) -> None:
    path = write_run(folder, "m", evals=5, complete=False)
    with LogWriter(path) as log:
        log.write(
            events.GoldBlocked(iter=40, val_loss=2.0, best_val_loss=1.0, reason="overfit: val/train=6.2x")
        )
        log.write(events.PhaseSwitch(iter=40, elapsed_s=4.0, tokens_processed=2560, new_phase="two"))
        log.write(events.Train(iter=41, train_loss=float("nan"), lr=1e-4, memory=10**8, mfu=0.4))
        log.write(events.TrainingStopped(iter=41, reason="nan", message="the loss is nan"))
        log.write(events.TrainingStart(config={"max_iters": 100, "start_step": 20, "eval_interval": 10}))
        log.write(
            events.Eval(iter=50, val_loss=0.7, eval_sets={"general": 2.0, "b": 1.0}, eval_duration_s=0.1)
        )
        log.write(events.Unknown(name="theirs", fields={"iter": 50, "a": {"b": [1]}}))


def _read_log(place: Path, chance: random.Random) -> None:
    log = place / "logs" / "train" / "m_eval.jsonl"
    if not why_no_file(log):
        read_log(log)
    _look(place)
    if chance.random() < 0.03:
        json.loads(command("--workspace", str(place), "status", "--json"))
        command("--workspace", str(place), "status", "--plot")
    if chance.random() < 0.03:
        command("--workspace", str(place), "plot", "m")
    if chance.random() < 0.03:
        picture = place / "m.svg"
        picture.unlink(missing_ok=True)
        command(
            "--workspace",
            str(place),
            "plot",
            "m",
            "--svg",
            str(picture),
            *(["--log_y"] * (chance.random() < 0.5)),
        )
        tree = ElementTree.parse(picture)
        assert not [e.tag for e in tree.iter() if e.tag.endswith(("script", "foreignObject", "image", "a"))]
        command("--workspace", str(place), "plot", "m", "--csv", "-")


def _look(place: Path) -> Workspace:
    """The picture of a workspace, and every word in it that is shown as it stands."""
    picture = Workspace(place)
    picture.load()
    known = names_in(picture.runs)
    for run in picture.runs:
        run.history.summary()
        for curve in run.history.curves.values():
            curve.points()
        for cell in cells_of(run, "1"):
            assert not (wrong := hostile(cell)), f"{wrong}: {cell!r}"
        look = looks_at(run)
        for name in known:
            look(name)
    for broken in picture.broken_records:
        assert not (wrong := hostile(broken.problem)), f"{wrong}: {broken.problem!r}"
    for info in picture.bundles():
        assert not (wrong := hostile(info.problem)), f"{wrong}: {info.problem!r}"
    picture.lineage()
    return picture


# ── records, locks, journals ────────────────────────────────────────────────────────────────────────────────────


def _make_records(folder: Path) -> None:
    write_run(folder, "m")
    first = record.create(
        folder,
        model_name="m",
        log_file="logs/train/m_eval.jsonl",
        command=["mypt", "train"],
        origin="shell",
        settings={"max_iters": 100, "learning_rate": 1e-3},
    )
    second = record.create(
        folder,
        model_name="q",
        log_file="logs/train/q_eval.jsonl",
        command=["mypt", "train", "--model_name", "q"],
        origin="queue",
        queued=True,
    )
    run = first.directory(folder)
    directory.write_exit(run, ExitRecord(code=1, last_lines=("one", "two"), reason="not started: no"))
    directory.request_stop(run)
    with ModelLock(folder, "q").acquire(command=["mypt", "train"], run_id=second.run_id):
        held = (folder / ".mypt" / "locks" / "q.lock").read_bytes()
    record.update(
        second.directory(folder), supervisor=ProcessIdentity.from_json(json.loads(held)["identity"])
    )
    (folder / ".mypt" / "locks" / "q.lock").write_bytes(held)
    for at in (1.0, 2.0):
        remember(folder, Renamed(f"old{at}", "m", at))
    (folder / "checkpoints").mkdir()
    plan = Renaming("m", "n", 3.0, (("logs/train/m_eval.jsonl", "logs/train/n_eval.jsonl"),), (first.run_id,))
    journal(folder).parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(journal(folder), asdict(plan))


def _read_records(place: Path, chance: random.Random) -> None:
    found = record.list_records(place)
    for each in found.records:
        queue.goes_on(each, each.directory(place))
        each.to_json()
    queue.waiting(place)
    if found.records:
        queue.move(place, found.records[-1], -1)
    for path in runs_folder(place).iterdir():
        if not path.name.startswith("."):
            directory.read_exit(RunDirectory(path))
            directory.stop_requested(RunDirectory(path))
    read_renames(place)
    _look(place)
    try:
        ModelLock(place, "q").check_free()
    except UserError as error:
        assert not (wrong := hostile(str(error))), f"{wrong}: {error}"
    if chance.random() < 0.1:
        command("--workspace", str(place), "status", *chance.choice(([], ["--json"])))
    try:
        read_journal(place)
    except RunError:
        assert recover(place), "a journal that cannot be read is told"
        raise
    recover(place)
    assert not (place.parent / "etc").exists()


# ── presets and preferences ─────────────────────────────────────────────────────────────────────────────────────


def _make_preset(folder: Path) -> None:
    from tests.faults.ground import make

    make(folder, name="P", description="a preset", seed=3, amp_dtype=None, comment_x=[1])
    full: dict[str, Any] = {
        **PRESET,
        "pos_encoding": "rope",
        "mlp_type": "swiglu",
        "norm_type": "rmsnorm",
        "rope_theta": 1e4,
        "gold_selection": {"guards": {"overfit_ratio": 5.0}},
        "freeze_layers": 1,
        "warmup_iters": 0.1,
        "precision": "fp32",
        "grad_clip": 1.0,
        "weight_decay": 0.1,
        "save_dtype": "fp16",
    }
    (folder / "configs" / "full.json").write_text(json.dumps(full))


def _read_preset(place: Path, chance: random.Random) -> None:
    refused: MyptError | None = None
    for path in sorted((place / "configs").glob("*.json")):
        try:
            config_of(load_preset(path, place).values)
        except MyptError as error:
            refused = error
    if chance.random() < 0.05:
        command("--workspace", str(place), "show-configs")
        name = chance.choice(("p", "full"))
        command("--workspace", str(place), "show-configs", "--config_file", name)
        command("--workspace", str(place), "train", "--dry_run", "--config_file", name, "--model_name", "new")
    if refused is not None:
        raise refused


def _make_preferences(folder: Path) -> None:
    from tui.prefs import DEFAULTS

    values = {
        **DEFAULTS,
        "keys": {"quit": "ctrl+x", "help": ["f1", "h"]},
        "overlays": {"a": ["b"]},
        "hidden_curves": ["x"],
    }
    (folder / "dashboard.json").write_text(json.dumps(values, indent=1))


def _read_preferences(place: Path, chance: random.Random) -> None:
    from tui.keys import Bound, judge
    from tui.prefs import DEFAULTS, Preferences

    preferences = Preferences(place / "dashboard.json")
    bounds = [
        Bound(id, (key,), id, "", "a", "app", "app", "tui")
        for id, key in (("quit", "q"), ("help", "h"), ("find", "f"))
    ]
    for name, default in DEFAULTS.items():
        assert isinstance(preferences[name], type(default) | int)
    told = [*preferences.problems, *judge(preferences["keys"], bounds).problems]
    for problem in told:
        assert not (wrong := hostile(problem)), f"{wrong}: {problem!r}"
    if why_no_file(place / "dashboard.json"):
        return
    before = (place / "dashboard.json").read_bytes()
    preferences["bell"] = not preferences["bell"]
    # It is kept beside the screen, which does not wait for long.
    wait_until(lambda: Preferences(place / "dashboard.json")["bell"] == preferences["bell"], 30)
    broken = place / "dashboard.json.broken"
    assert not broken.exists() or broken.read_bytes() == before, "what a hand wrote is kept"
    broken.unlink(missing_ok=True)


def _make_history(folder: Path) -> None:
    from tui.screens.sample.history import History, Kept

    history = History(folder)
    for number in range(4):
        history.add(Kept(model="m", step=number, prompt=f"p{number}", text="text", at=str(number)))


def _read_history(place: Path, chance: random.Random) -> None:
    from tui.screens.sample.history import History, Kept

    # A file that never rests, and what is none, keeps nothing; who is at it does.
    odd = why_no_file(place / ".mypt" / "sample_history.jsonl") or None
    history = History(place)
    history.prompts()
    history.add(Kept(model="m", prompt="x", text="y"))
    assert history.of("m")[-1].prompt == "x"
    if odd is None:
        # A disk is not waited for, and a machine under load is as slow.
        assert wait_for(lambda: [text.prompt for text in History(place).of("m")][-1:] == ["x"])


# ── what processes say to each other ────────────────────────────────────────────────────────────────────────────


def _make_messages(folder: Path) -> None:
    settings = Settings(temperature=0.5, top_k=3)
    asked: list[protocol.Asked] = [
        protocol.Load(model="m"),
        protocol.Write(id="1", model="m", prompt="a", settings=settings),
        protocol.Cancel(id="1"),
        protocol.Drop(model="m"),
    ]
    told: list[protocol.Told] = [
        protocol.Started(pid=1, threads=2),
        protocol.Begun(id="1", step=3, notes=["x"]),
        protocol.Piece(id="1", text="abc", tokens=1, seconds=0.5),
        protocol.Ended(id="1", why="end", tokens=3),
        protocol.Failed(message="no", id="1"),
        protocol.Ready(model="m", device="cpu", parameters=1, context=2, tokenizer="char"),
    ]
    (folder / "asked.jsonl").write_bytes(b"".join(map(protocol.to_line, asked)))
    (folder / "told.jsonl").write_bytes(b"".join(map(protocol.to_line, told)))


def _read_messages(place: Path, chance: random.Random) -> None:
    import msgspec

    for name, read in (("asked", protocol.read_request), ("told", protocol.read_report)):
        for line in (place / f"{name}.jsonl").read_bytes().split(b"\n"):
            try:
                message = read(line)
            except msgspec.DecodeError:
                continue
            protocol.to_line(message)


READERS: dict[str, Reader] = {
    "log": Reader(_make_log, ("logs/**/*.jsonl",), _read_log, also=("m: nothing was measured",)),
    "records": Reader(
        _make_records,
        (".mypt/**/*.json", ".mypt/runs/*/stop", ".mypt/locks/*.lock", ".mypt/runs/.order"),
        _read_records,
        also=("rename.json", "run.json"),
        writes=True,
    ),
    # What a preset asks of its data is told of the data.
    "preset": Reader(
        _make_preset,
        ("configs/*.json",),
        _read_preset,
        also=(
            "data/one",
            "data/two",
            "data/general",
            "eval set general",
            "dataset_dir",
            "the name is too long",
        ),
    ),
    "preferences": Reader(_make_preferences, ("dashboard.json",), _read_preferences, at_rest=True),
    "sample-history": Reader(_make_history, (".mypt/*.jsonl",), _read_history, at_rest=True),
    "messages": Reader(_make_messages, ("*.jsonl",), _read_messages),
}
