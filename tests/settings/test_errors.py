from __future__ import annotations

from mypt.errors import Problem


def test_a_name_of_a_megabyte_is_not_said_whole() -> None:
    said = str(Problem("is not known", where="configs/" + "a" * 10**6 + ".json", field="b" * 10**6))
    assert len(said) < 1000 and said.startswith("configs/a") and ".json: bbb" in said
    assert said.endswith("b: is not known")
    assert str(Problem("is not known", where="p.json", field="seed")) == "p.json: seed: is not known"
