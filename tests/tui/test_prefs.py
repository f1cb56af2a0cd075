"""Preferences: kept whole, shared by several dashboards, and a broken file is no error and not lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tui.prefs import DEFAULTS, Preferences


def file(tmp_path: Path, text: str = "") -> Path:
    path = tmp_path / "dashboard.json"
    if text:
        path.write_text(text)
    return path


def test_what_is_set_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "dashboard.json"
    prefs = Preferences(path)
    prefs["bell"] = True
    prefs["alert_command"] = ["say", "{run}"]
    again = Preferences(path)
    assert again["bell"] is True and again["alert_command"] == ["say", "{run}"] and not again.problems


def test_two_dashboards_do_not_undo_each_other(tmp_path: Path) -> None:
    one, other = Preferences(file(tmp_path)), Preferences(file(tmp_path))
    one["theme"] = "nord"
    other["bell"] = True
    one["keys"] = {"runs.stop": "S"}
    other["keys"] = {"runs.new": "N"}
    one["drafts"] = {"a": 1}
    other["drafts"] = {"b": 2}
    one["drafts"] = {}
    now = Preferences(file(tmp_path))
    assert now["theme"] == "nord" and now["bell"] is True
    assert now["keys"] == {"runs.stop": "S", "runs.new": "N"}
    assert now["drafts"] == {"b": 2}


def test_many_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tui.prefs import Preferences\n"
        "prefs = Preferences(Path(sys.argv[1]))\n"
        "for n in range(10): prefs['keys'] = prefs['keys'] | {f'{sys.argv[2]}.{n}': 'x'}\n"
    )
    path = file(tmp_path)
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path), str(n)]) for n in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(Preferences(path)["keys"]) == 40


@pytest.mark.parametrize("broken", ['{"theme": "nord",', "[1, 2]", "\x00\x01", "{" * 100_000])
def test_a_broken_file_means_the_defaults_is_said_and_kept_aside(tmp_path: Path, broken: str) -> None:
    path = file(tmp_path, broken)
    prefs = Preferences(path)
    assert all(prefs[name] == default for name, default in DEFAULTS.items())
    (problem,) = prefs.problems
    assert problem.startswith("dashboard.json: ") and "defaults are used" in problem
    prefs["bell"] = True
    assert json.loads(path.read_text()) == {"bell": True}
    assert path.with_name("dashboard.json.broken").read_text() == broken


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"theme": 3}, "theme is 3; it must be a text"),
        ({"bell": "yes"}, 'bell is "yes"; it must be true or false'),
        ({"keys": []}, "keys is []; it must be an object"),
        ({"alert_command": "rm -rf"}, 'alert_command is "rm -rf"; it must be a list'),
        ({"alert_command": ["say", 1]}, "alert_command must be a list of texts"),
        ({"log_y": "\x1b[2J"}, "log_y is "),
    ],
)
def test_a_value_of_another_kind_is_said_and_not_used(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    prefs = Preferences(file(tmp_path, json.dumps(given)))
    (problem,) = prefs.problems
    assert said in problem and "\x1b" not in problem
    (name,) = given
    assert prefs[name] == DEFAULTS[name]


def test_what_is_not_known_is_kept(tmp_path: Path) -> None:
    path = file(tmp_path, '\ufeff{"of_a_later_version": [1], "theme": "nord"}')
    prefs = Preferences(path)
    assert prefs["theme"] == "nord" and not prefs.problems
    prefs["bell"] = True
    assert json.loads(path.read_text())["of_a_later_version"] == [1]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    prefs = Preferences(file(tmp_path))
    prefs["bell"] = True
    assert prefs["bell"] is True


def test_a_place_that_cannot_be_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    prefs = Preferences(tmp_path / "file" / "dashboard.json")
    prefs["bell"] = True
    assert prefs["bell"] is True


def test_a_number_that_json_has_no_word_for_keeps_nothing_else_from_being_saved(tmp_path: Path) -> None:
    path = file(
        tmp_path, '{"smoothing": Infinity, "overlays": {"a": [NaN]}, "runs": {"b": -1e999}, "log_y": true}'
    )
    prefs = Preferences(path)
    assert (prefs["smoothing"], prefs["overlays"], prefs["runs"], prefs["log_y"]) == (0.0, {}, {}, True)
    prefs["bell"] = True
    assert json.loads(path.read_text()) == {"log_y": True, "bell": True}
