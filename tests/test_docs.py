"""The examples that people copy from the documentation are run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.workbench import story

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_page_on_python_works_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.txt").write_text(story(6000))
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) > 8
    known: dict[str, object] = {}
    for number, example in enumerate(examples, start=1):
        exec(compile(example, f"{PAGE.name}, example {number}", "exec"), known)
    out = capsys.readouterr().out
    for line in (
        "Model has 2 layers",
        "n_embd: must be divisible by n_head = 4",
        "Best checkpoint at step 60, ",
    ):
        assert line in out
