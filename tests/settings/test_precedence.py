"""Where every single setting comes from, in a new run, a resumed one and a fine-tune."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt.settings import fields
from mypt.settings.resolve import Mode, Request, as_text, resolve
from tests.settings.ground import VARIANTS, bundle, preset, told

# The rules as the contract lists them; what is in none of these lists is a training setting.
OF_SHAPE = {"n_layer", "n_head", "n_embd", "vocab_size", "bias"} | {
    *("pos_encoding", "mlp_type", "norm_type", "tie_weights")
}
OF_CONTEXT = {"block_size", "rope_scale", "rope_theta"}
LIVE = {"batch_size", "dropout", "use_loss_mask"}
# Decided together, or by what lies on the disk: test_data_choice.
OF_DATA = {"input_file", "dataset_dir", "curriculum", "tokenization"}

# Who is heard, strongest first: the (P)reset, what is (G)iven, the (C)heckpoint resumed, the (B)ase model.
ORDERS = {
    (Mode.NEW, "shape"): "PG",
    (Mode.NEW, "context"): "PG",
    (Mode.NEW, "live"): "PG",
    (Mode.NEW, "training"): "GP",
    (Mode.NEW, "device"): "GP",
    (Mode.RESUME, "shape"): "CPG",
    (Mode.RESUME, "context"): "CPG",
    (Mode.RESUME, "live"): "GCP",
    (Mode.RESUME, "training"): "GCP",
    (Mode.RESUME, "device"): "GP",
    (Mode.FINE_TUNE, "shape"): "BPG",
    (Mode.FINE_TUNE, "context"): "PGB",
    (Mode.FINE_TUNE, "live"): "PGB",
    (Mode.FINE_TUNE, "training"): "GP",
    (Mode.FINE_TUNE, "device"): "GP",
}
SAID = {
    "P": "preset mine",
    "G": "command line",
    "C": "checkpoint dante step 1000",
    "B": "base model base_200M",
    "D": "default",
}
# Values for preset, command line, checkpoint and base, where the type alone does not give them.
OFFERS: dict[str, tuple[Any, Any, Any, Any]] = {
    "n_head": (1, 2, 4, 8),
    "n_embd": (48, 96, 144, 192),
    "dropout": (0.1, 0.2, 0.3, 0.4),
    "device": ("cpu", "mps", "cuda", "cuda:1"),
    "precision": ("fp32", "bf16", "fp32", "bf16"),
    "eval_sets": ({"a": "1"}, {"b": "2"}, {"c": "3"}, {"d": "4"}),
    "warmup_iters": (1, 2, 3, 4),
    "max_iters": (1000, 2000, 3000, 4000),
    "gold_selection": tuple({"guards": {"overfit_ratio": float(n)}} for n in (1, 2, 3, 4)),  # type: ignore[dict-item]
}


def offers(name: str) -> tuple[Any, Any, Any, Any]:
    if name in OFFERS:
        return OFFERS[name]
    words, default = fields.choices(name), fields.default(name)
    if words == ["true", "false"]:
        return (True, False, True, False)
    if words:
        return tuple(words[n % len(words)] for n in (0, 1, 2, 3))  # type: ignore[return-value]
    if isinstance(default, float):
        return (1.5, 2.0, 2.5, 3.0)
    if isinstance(default, str) or name.endswith(("_file", "_dir")):
        return ("a", "b", "c", "d")
    return (3, 4, 5, 6)


def rule_of(name: str) -> str:
    for rule, names in (("shape", OF_SHAPE), ("context", OF_CONTEXT), ("live", LIVE), ("device", {"device"})):
        if name in names:
            return rule
    return "training"


def ask(workspace: Path, mode: Mode, name: str, present: str, *, saved: bool = True) -> Any:
    """Resolve with `name` offered by all that are `present`; without `saved` the checkpoint does not have it."""
    of_preset, of_flag, of_checkpoint, of_base = offers(name)
    if mode is Mode.RESUME:
        bundle(workspace, "dante", **({name: of_checkpoint} if saved else {}))
    if mode is Mode.FINE_TUNE:
        bundle(workspace, "base_200M", **{name: of_base})
    run = resolve(
        Request(
            model_name="dante",
            config_file=preset(workspace, **{name: of_preset}) if "P" in present else None,
            init_from_model="base_200M" if mode is Mode.FINE_TUNE else None,
            given={name: as_text(of_flag)} if "G" in present else {},
        ),
        workspace,
    )
    assert run.mode is mode
    return run


def plain(value: Any) -> Any:
    return (
        value.model_dump(mode="json", include={"guards": {"overfit_ratio"}})
        if hasattr(value, "guards")
        else value
    )


@pytest.mark.parametrize("name", [name for name in fields.names() if name not in OF_DATA])
@pytest.mark.parametrize("mode", list(Mode))
def test_precedence(tmp_path: Path, mode: Mode, name: str) -> None:
    order = ORDERS[mode, rule_of(name)]
    of_preset, of_flag, of_checkpoint, of_base = offers(name)
    always = {Mode.RESUME: "C", Mode.FINE_TUNE: "B", Mode.NEW: ""}[mode]
    for number, present in enumerate(("", "P", "G", "PG")):
        run = ask(tmp_path / str(number), mode, name, present)
        heard = [who for who in order if who in present + always]
        winner = heard[0] if heard else "D"
        default = run.settings.log_file if name == "log_file" else fields.default(name)
        value = {"P": of_preset, "G": of_flag, "C": of_checkpoint, "B": of_base, "D": default}[winner]
        effective = run.values[name]
        assert (plain(effective.value), str(effective.source)) == (value, SAID[winner]), present
        assert plain(getattr(run.settings, name)) == value
        told_of_it = [
            n for n in run.notices if n.startswith(f"{name}={as_text(of_flag)} (command line) is ignored: ")
        ]
        assert bool(told_of_it) == ("G" in present and winner != "G" and value != of_flag)
        assert all(line.startswith(f"{name}={as_text(of_flag)} (command line) is ignored: {SAID[winner]} has {as_text(value)}") for line in told_of_it)  # fmt: skip
        assert run.held(name) == (winner in "CPB" and order.index("G") > order.index(winner)), present


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in fields.names()
        if rule_of(n) == "training" and n not in OF_DATA | set(VARIANTS) | {"log_file"}
    ],
)
def test_what_a_checkpoint_does_not_say_comes_from_the_preset_then_from_the_defaults(
    tmp_path: Path, name: str
) -> None:
    of_preset = offers(name)[0]
    run = ask(tmp_path / "with", Mode.RESUME, name, "P", saved=False)
    assert (plain(run.values[name].value), str(run.values[name].source)) == (of_preset, "preset mine")
    run = ask(tmp_path / "without", Mode.RESUME, name, "", saved=False)
    assert (run.values[name].value, str(run.values[name].source)) == (fields.default(name), "default")


@pytest.mark.parametrize("flag", [None, "cpu"])
def test_the_device_is_never_the_checkpoints(tmp_path: Path, flag: str | None) -> None:
    bundle(tmp_path, "dante")
    config = tmp_path / "checkpoints" / "dante" / "config.json"
    config.write_text(config.read_text().replace('"cpu"', '"cuda:7"'))
    run = resolve(Request(model_name="dante", given={"device": flag} if flag else {}), tmp_path)
    assert run.settings.device == (flag or "auto")


@pytest.mark.parametrize("name", sorted(LIVE))
def test_a_flag_that_ends_exactness_says_so(tmp_path: Path, name: str) -> None:
    of_flag, of_checkpoint = offers(name)[1:3]
    bundle(tmp_path, "dante", **{name: of_checkpoint})
    run = resolve(Request(model_name="dante", given={name: of_flag}), tmp_path)
    (said,) = told(run, "no exact continuation")
    assert said.startswith(f"{name} changes from {as_text(of_checkpoint)} (checkpoint dante step 1000) to ")
    same = resolve(Request(model_name="dante", given={name: of_checkpoint}), tmp_path)
    assert told(same, name) == []


def test_an_edited_preset_is_not_silently_ignored_on_a_resume(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", learning_rate=3e-4, n_layer=3, warmup_iters=250, eval_interval=20)
    file = preset(tmp_path, learning_rate=1e-4, n_layer=1, warmup_iters=0.05, eval_interval=20)
    run = resolve(Request(model_name="dante", config_file=file), tmp_path)
    assert run.settings.learning_rate == 3e-4
    (rate,) = told(run, "learning_rate")
    assert rate == (
        "learning_rate=0.0001 (preset mine) is ignored: checkpoint dante step 1000 has 0.0003; "
        "--learning_rate changes it"
    )
    (layers,) = told(run, "n_layer")
    assert layers == "n_layer=1 (preset mine) is ignored: checkpoint dante step 1000 has 3"
    assert told(run, "warmup_iters") == told(run, "eval_interval") == []


def test_an_edited_preset_that_is_no_preset_of_the_bases_shape_says_so_in_a_fine_tune(tmp_path: Path) -> None:
    bundle(tmp_path, "base_200M", n_layer=3)
    run = resolve(
        Request(model_name="c", config_file=preset(tmp_path), init_from_model="base_200M"), tmp_path
    )
    assert told(run, "n_layer") == ["n_layer=6 (preset mine) is ignored: base model base_200M has 3"]


def test_flags_that_lose_against_a_preset_say_how_to_have_them_all_the_same(tmp_path: Path) -> None:
    file = preset(tmp_path, "my 150M")
    given = {"batch_size": "8", "dropout": "0.3", "max_iters": "10", "bias": "false"}
    run = resolve(Request(model_name="dante", config_file=file, given=given), tmp_path)
    assert (run.settings.batch_size, run.settings.dropout, run.settings.max_iters) == (4, 0.1, 10)
    (way_out,) = told(run, "save_preset")
    assert way_out.endswith(
        "mypt train --config_file 'my 150M' --dropout=0.3 --batch_size=8 --save_preset NAME"
    )
    assert told(run, "batch_size=8")[0] == "batch_size=8 (command line) is ignored: preset my 150M has 4"
    assert len(run.notices) == 3


def test_the_same_command_again_has_nothing_to_tell(tmp_path: Path) -> None:
    bundle(tmp_path, "dante", learning_rate=1e-4, max_iters=100)
    file = preset(tmp_path, learning_rate=1e-4)
    run = resolve(Request(model_name="dante", config_file=file, given={"max_iters": "100"}), tmp_path)
    assert run.mode is Mode.RESUME and run.notices == []


def test_a_saved_wish_does_not_beat_the_shape_of_the_weights(tmp_path: Path) -> None:
    # A char model's vocabulary is its text's, whatever its preset asked for.
    bundle(tmp_path, "dante", vocab_size=29, chars="ab", n_layer=1)
    state = tmp_path / "checkpoints" / "dante" / "training_state.json"
    value = json.loads(state.read_text())
    value["training_config"] |= {"vocab_size": 256, "n_layer": 9}
    state.write_text(json.dumps(value))
    run = resolve(Request(model_name="dante"), tmp_path)
    assert (run.config.vocab_size, run.config.n_layer) == (29, 1)
