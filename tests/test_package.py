"""What an installation that is no checkout gets."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_wheel_holds_both_halves_and_the_presets() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    commands = {target.partition(".")[0] for target in project["project"]["scripts"].values()}
    assert commands == set(wheel["packages"]) == {"mypt", "tui"}
    assert wheel["force-include"] == {"configs": "mypt/settings/shipped"}
    assert all((ROOT / name / "__init__.py").is_file() for name in wheel["packages"])
