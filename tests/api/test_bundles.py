from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path

import pytest
import torch

import mypt
from mypt.errors import UserError
from mypt.tokenizers import CharTokenizer, Gpt2Tokenizer
from tests.workbench import CHARS, listing

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

LETTERS = CharTokenizer.from_text(CHARS)


def small(**fields: object) -> mypt.GPT:
    shape = {
        "batch_size": 4,
        "block_size": 16,
        "vocab_size": len(CHARS),
        "n_embd": 16,
        "n_head": 2,
        "n_layer": 1,
    }
    return mypt.GPT(mypt.GPTConfig(**{**shape, **fields}))  # type: ignore[arg-type]


def state_of(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "training_state.json").read_text())
    return found


# ── loading ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["dante", "dante_gold", "dante_fp16", "checkpoints/dante"])
def test_a_checkpoint_by_name_or_path(trained_once: Path, name: str) -> None:
    bundle = mypt.load_bundle(name, trained_once)
    assert bundle.info.name == Path(name).name and bundle.step == 8
    assert not bundle.model.training and bundle.model.device.type == "cpu"
    assert {p.dtype for p in bundle.model.parameters()} == {torch.float32}
    assert bundle.config.n_layer == 1 and bundle.training_config["max_iters"] == 8
    assert (bundle.optimizer_state is None) is name.endswith("_fp16")


def test_a_whole_path_needs_no_workspace(trained_once: Path) -> None:
    assert mypt.load_bundle(trained_once / "checkpoints" / "dante").step == 8


def test_text_whole_and_in_pieces(trained_once: Path) -> None:
    bundle = mypt.load_bundle("dante", trained_once)
    text = bundle.generate("ab", max_new_tokens=20, seed=3)
    assert len(text) == 20 and set(text) <= set(CHARS)
    assert list(bundle.stream("ab", max_new_tokens=20, seed=3)) == list(text)
    with pytest.raises(UserError, match="never seen"):
        bundle.stream("ÄÖ")
    with pytest.raises(UserError, match="temperature"):
        bundle.stream("ab", temperature=-1)


def test_what_cannot_be_loaded(trained: Path) -> None:
    with pytest.raises(UserError, match="did you mean dante"):
        mypt.load_bundle("dant", trained)
    with pytest.raises(UserError, match="this machine does not have it"):
        mypt.load_bundle("dante", trained, device="cuda:17")
    weights = trained / "checkpoints" / "dante" / "model.pt"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"model\.pt has \d+ bytes instead of"):
        mypt.load_bundle("dante", trained)


def test_the_originals_closing_bundle_counts_as_its_optimizer_does(samples: Path) -> None:
    bundle = mypt.load_bundle(samples / "original" / "checkpoints" / "a_char_learned")
    assert bundle.training_state["step"] == bundle.step - 1
    assert bundle.generate("The ", max_new_tokens=5, temperature=0) != ""


# ── saving ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_seeds_call(tmp_path: Path) -> None:
    model = small(head_bias=False)
    optimizer = mypt.configure_optimizer(model)
    training_config = {"max_iters": 2000, "eval_interval": 50, "learning_rate": 3e-4, "start_step": 0}
    saved = mypt.save_checkpoint_bundle(
        model,
        tmp_path / "checkpoints" / "dante",
        step=1000,
        optimizer_state=optimizer.state_dict(),
        training_config=training_config,
        tokenizer=LETTERS,
    )
    state = state_of(saved)
    assert (state["step"], state["optimizer_file"]) == (1000, "optimizer.pt")
    assert state["training_config"] == training_config
    bundle = mypt.load_bundle("dante", tmp_path)
    assert bundle.step == 1000 and bundle.optimizer_state is not None
    for name, value in bundle.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("dtype", "stored"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_weights_are_stored_as_asked(tmp_path: Path, dtype: str, stored: torch.dtype) -> None:
    folder = mypt.save_checkpoint_bundle(small(), tmp_path / "m", tokenizer=LETTERS, dtype=dtype)
    held = torch.load(folder / "model.pt", weights_only=True)
    assert held["checkpoint_dtype"] == dtype
    assert {value.dtype for value in held["state_dict"].values()} == {stored}


def test_a_compiled_model_is_saved_as_what_it_was_compiled_from(tmp_path: Path) -> None:
    folder = mypt.save_checkpoint_bundle(torch.compile(small()), tmp_path / "m", tokenizer=LETTERS)  # type: ignore[arg-type]
    assert "lm_head.weight" in torch.load(folder / "model.pt", weights_only=True)["state_dict"]
    with pytest.raises(TypeError, match=r"a mypt\.GPT is needed, not a Linear"):
        mypt.save_checkpoint_bundle(torch.nn.Linear(2, 2), tmp_path / "m")  # type: ignore[arg-type]


def test_the_tokenizer_need_not_be_carried_along(trained: Path, tmp_path: Path) -> None:
    bundle = mypt.load_bundle("dante", trained)
    folder = mypt.save_checkpoint_bundle(bundle.model, tmp_path / "copy")
    assert (folder / "tokenizer.json").read_bytes() == (bundle.info.path / "tokenizer.json").read_bytes()
    # A model made of the same config has the tokenizer of the bundle that it replaces, and of nothing else.
    fresh = mypt.GPT(bundle.config)
    assert mypt.save_checkpoint_bundle(fresh, folder) == folder
    assert mypt.get_model_info(folder)["tokenizer"]["chars"] == list(bundle.tokenizer.to_dict()["chars"])
    with pytest.raises(UserError, match="tokenizer: is needed: a vocabulary of 29 tokens is not GPT-2's"):
        mypt.save_checkpoint_bundle(mypt.GPT(bundle.config), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_model_with_gpt2s_rows_is_taken_for_one(tmp_path: Path) -> None:
    folder = mypt.save_checkpoint_bundle(small(vocab_size=50304, n_embd=2, n_head=1), tmp_path / "m")
    assert mypt.get_model_info(folder)["tokenizer"] == Gpt2Tokenizer().to_dict()


def test_what_is_remembered_dies_with_the_model(trained_once: Path) -> None:
    from mypt.training import remembered

    before = len(remembered._known)
    bundle = mypt.load_bundle("dante", trained_once)
    assert len(remembered._known) == before + 1
    del bundle
    gc.collect()
    assert len(remembered._known) == before


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years")
    (tmp_path / "file").write_text("x")
    before = listing(tmp_path)
    for name, reason in (
        ("work", "holds other files"),
        ("file", "is a file"),
        ("..", "holds other files"),
    ):
        with pytest.raises(UserError, match=f"checkpoint_dir: .*{reason}"):
            mypt.save_checkpoint_bundle(small(), tmp_path / name, tokenizer=LETTERS)
    assert listing(tmp_path) == before


def test_values_that_no_file_can_hold_are_refused(tmp_path: Path) -> None:
    for config in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(UserError, match="training_config: must hold values that JSON has"):
            mypt.save_checkpoint_bundle(small(), tmp_path / "m", training_config=config, tokenizer=LETTERS)
    with pytest.raises(UserError, match="dtype: is not a precision"):
        mypt.save_checkpoint_bundle(small(), tmp_path / "m", tokenizer=LETTERS, dtype="fp8")
    assert not (tmp_path / "m").exists()


def test_mypt_train_goes_on_with_what_a_program_saved(trained: Path) -> None:
    bundle = mypt.load_bundle("dante", trained)
    place = trained / "checkpoints" / "copy"
    mypt.save_checkpoint_bundle(
        bundle.model, place, bundle.step, bundle.optimizer_state, bundle.training_config
    )
    results = [
        mypt.train(model_name=n, max_iters=10, workspace=trained, quiet=True) for n in ("copy", "dante")
    ]
    assert [r.step for r in results] == [10, 10]
    copied, own = (r.load().model.state_dict() for r in results)
    assert all(torch.equal(copied[name], own[name]) for name in own)
    shutil.rmtree(place)
