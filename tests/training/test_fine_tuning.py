from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mypt.cli import main
from mypt.model import GPT
from mypt.settings.resolve import Request, resolve
from tests.workbench import CHARS, SHAPE, events, ids_of, story, write_dataset

FLAGS = ["--max_iters", "3", "--eval_iters", "2", "--sample_interval", "0", "--device", "cpu"]
PRESET = {
    "batch_size": 3,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 32,
    "n_head": 4,
    "n_layer": 2,
    "dropout": 0.1,
    "bias": True,
    "use_loss_mask": True,
}


@pytest.fixture
def tuned(trained: Path) -> Path:
    """A workspace with a base `dante`, a preset for conversations, and a dataset with masks."""
    (trained / "configs").mkdir()
    (trained / "configs" / "chat_sft.json").write_text(json.dumps(PRESET))
    ids = ids_of(story(1500, 3))
    write_dataset(trained / "data" / "chat", train=[ids], val=[ids[:300]], mask="u1")
    return trained


def tune(workspace: Path, *flags: str) -> int:
    base = ["train", "--init_from_model", "dante", "--model_name", "chat", *FLAGS, *flags]
    return main(["--workspace", str(workspace), *base])


def test_it_prints_what_the_seed_prints(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(tuned, "--config_file", "chat_sft", "--dataset_dir", "data/chat") == 0
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("Initializing from base model 'dante' (new format)")
    assert lines[begin + 1 : begin + 6] == [
        f"Using base model's char vocabulary (size: {len(CHARS)})",
        "Updating model config with new training parameters...",
        "  use_loss_mask: True",
        "  dropout: 0.1",
        "  batch_size: 3",
    ]
    (config,) = [line for line in lines if line.startswith("Using config: ")]
    assert config == (
        f"Using config: batch_size:3, block_size:16, vocab_size:{len(CHARS)}, n_embd:16, n_head:2, n_layer:1, "
        "dropout:0.1, bias:False, device:cpu, use_loss_mask:True"
    )
    for name, wanted, has in (("n_layer", 2, 1), ("n_embd", 32, 16), ("bias", "true", "false")):
        assert f"Note: {name}={wanted} (preset chat_sft) is ignored: base model dante has {has}" in lines


def test_lineage_and_settings_are_recorded(tuned: Path) -> None:
    assert tune(tuned, "--config_file", "chat_sft", "--dataset_dir", "data/chat") == 0
    folder = tuned / "checkpoints" / "chat"
    state = json.loads((folder / "training_state.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    assert state["base"] == {"name": "dante", "step": 8}
    assert (state["step"], config["n_layer"], config["use_loss_mask"], config["dropout"]) == (3, 1, True, 0.1)
    assert events(tuned, "chat", "training_start")[0]["config"]["base"] == "dante"
    tokenizers = [(tuned / "checkpoints" / n / "tokenizer.json").read_text() for n in ("dante", "chat")]
    assert tokenizers[0] == tokenizers[1]
    # A resume keeps the lineage.
    assert main(["--workspace", str(tuned), "train", "--model_name", "chat", "--max_iters", "4"]) == 0
    assert json.loads((folder / "training_state.json").read_text())["base"] == {"name": "dante", "step": 8}


def test_it_begins_with_the_bases_weights_and_an_optimizer_of_its_own(tuned: Path) -> None:
    flags = ["--input_file", "input.txt", "--learning_rate", "1e-30", "--weight_decay", "0"]
    assert tune(tuned, *flags) == 0
    base, chat = (
        torch.load(tuned / "checkpoints" / name / "model.pt", weights_only=True)["state_dict"]
        for name in ("dante", "chat")
    )
    assert all(torch.equal(base[name], chat[name]) for name in base)
    moments = torch.load(tuned / "checkpoints" / "chat" / "optimizer.pt", weights_only=True)
    assert {int(s["step"]) for s in moments["state"].values()} == {3}
    assert events(tuned, "chat", "eval")[0]["iter"] == 0


def test_a_changed_dropout_reaches_every_layer(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mypt.data.source import open_data
    from mypt.model.attention import SelfAttention
    from mypt.training.build import build
    from mypt.training.console import Console

    run = resolve(
        Request(
            model_name="chat", init_from_model="dante", given={"dropout": "0.35", "input_file": "input.txt"}
        ),
        tuned,
    )
    model = build(run, open_data(run), Console()).model
    assert isinstance(model, GPT)
    found = [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    found += [m.attention_dropout for m in model.modules() if isinstance(m, SelfAttention)]
    assert len(found) >= 3 and set(found) == {0.35}


def test_the_same_command_again_resumes_and_says_so(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(tuned, "--input_file", "input.txt") == 0
    capsys.readouterr()
    assert tune(tuned, "--input_file", "input.txt", "--max_iters", "5") == 0
    out = capsys.readouterr().out
    assert "checkpoints/chat exists and is resumed; --init_from_model dante was its beginning" in out
    assert "Initializing from base model" not in out
    assert events(tuned, "chat", "training_start")[-1]["config"]["start_step"] == 3


def test_a_longer_context_is_said_loudly_and_learned_positions_grow(
    tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(tuned, "--input_file", "input.txt", "--block_size", "24") == 0
    out = capsys.readouterr().out
    assert "  block_size: 16 → 24: the context changes" in out
    assert "learned positions: 16 in the base model, 24 here; new rows start untrained" in out
    weights = torch.load(tuned / "checkpoints" / "chat" / "model.pt", weights_only=True)["state_dict"]
    assert weights["position_embedding_table.weight"].shape == (24, 16)


def test_a_rotation_that_changes_is_said_as_loudly(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--input_file", "input.txt", *SHAPE, "--pos_encoding", "rope", "--tokenization", "char"]
    few = ["--max_iters", "2", "--eval_iters", "1", "--device", "cpu", "--sample_interval", "0"]
    assert main(["--workspace", str(tuned), "train", "--model_name", "turned", *flags, *few]) == 0
    capsys.readouterr()
    longer = [
        "--init_from_model",
        "turned",
        "--block_size",
        "64",
        "--rope_scale",
        "4",
        "--rope_theta",
        "500000",
    ]
    assert tune(tuned, *longer, "--input_file", "input.txt") == 0
    out = capsys.readouterr().out
    for change in ("block_size: 16 → 64", "rope_scale: 1.0 → 4.0", "rope_theta: 10000.0 → 500000.0"):
        assert f"  {change}: the context changes, and the model has to get used to it" in out
    config = json.loads((tuned / "checkpoints" / "chat" / "config.json").read_text())
    assert (config["block_size"], config["rope_scale"], config["rope_theta"]) == (64, 4.0, 500000.0)


def test_an_untied_base_is_tied_by_averaging_where_a_person_asks_for_it(
    tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--input_file", "input.txt", "--learning_rate", "1e-30", "--weight_decay", "0"]
    shape = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16, "batch_size": 4, "vocab_size": 64}
    (tuned / "configs").mkdir(exist_ok=True)
    preset = {**shape, "dropout": 0.0, "bias": False, "tie_weights": True}
    (tuned / "configs" / "tied.json").write_text(json.dumps(preset))
    assert tune(tuned, *flags, "--config_file", "tied", "--model_name", "untied") == 0
    out = capsys.readouterr().out
    # A preset made for new models must not cost a base what it has learned.
    assert (
        "tie_weights=true (preset tied) is ignored: base model dante has false; --tie_weights ties it" in out
    )
    assert json.loads((tuned / "checkpoints" / "untied" / "config.json").read_text())["tie_weights"] is False
    assert tune(tuned, *flags, "--tie_weights") == 0
    out = capsys.readouterr().out
    assert "token embedding and head were separate in the base model: tied by averaging them" in out
    base, chat = (
        torch.load(tuned / "checkpoints" / name / "model.pt", weights_only=True)["state_dict"]
        for name in ("dante", "chat")
    )
    mean = (base["token_embedding_table.weight"] + base["lm_head.weight"]) / 2
    assert torch.equal(chat["token_embedding_table.weight"], mean) and torch.equal(
        chat["lm_head.weight"], mean
    )
    assert json.loads((tuned / "checkpoints" / "chat" / "config.json").read_text())["tie_weights"] is True
    capsys.readouterr()
    # And tied it stays.
    assert (
        tune(tuned, "--init_from_model", "chat", "--model_name", "third", *flags, "--tie_weights", "false")
        == 0
    )
    assert "tie_weights=false (command line) is ignored: base model chat has true" in capsys.readouterr().out


def refused(workspace: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    before = sorted(p.relative_to(workspace).as_posix() for p in workspace.rglob("*"))
    capsys.readouterr()
    assert tune(workspace, *flags) == 2
    assert sorted(p.relative_to(workspace).as_posix() for p in workspace.rglob("*")) == before
    return capsys.readouterr().err


def test_characters_that_the_base_lacks_are_listed(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tuned / "new.txt").write_text(story() + "Ünd!" * 20)
    err = refused(tuned, capsys, "--input_file", "new.txt")
    assert "holds 2 characters that the model's vocabulary lacks: '!' 'Ü'" in err


def test_another_tokenizer_is_refused(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(tuned, capsys, "--input_file", "input.txt", "--tokenization", "gpt2")
    assert "the base model dante was trained on char tokens (got 'gpt2')" in err
    ids = ids_of(story(800))
    write_dataset(tuned / "data" / "b", train=[ids], val=[ids], chars="".join(reversed(CHARS)))
    err = refused(tuned, capsys, "--dataset_dir", "data/b")
    assert "data/b: was made with another tokenizer" in err


def test_frozen_blocks_stay_as_they_were(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(tuned, "--input_file", "input.txt", "--freeze_layers", "1", "--freeze_embeddings") == 0
    base, chat = (
        torch.load(tuned / "checkpoints" / name / "model.pt", weights_only=True)["state_dict"]
        for name in ("dante", "chat")
    )
    still = {name for name in base if torch.equal(base[name], chat[name])}
    assert still == {name for name in base if name.startswith(("blocks.0.", "token_emb", "position_emb"))}
    err = refused(tuned, capsys, "--model_name", "c2", "--input_file", "input.txt", "--freeze_layers", "2")
    assert "freeze_layers: the model has only 1 layer (got 2)" in err


def test_gold_begins_anew_on_other_data(trained: Path) -> None:
    (trained / "other.txt").write_text(story()[::-1])
    flags = ["--max_iters", "12", "--input_file", "other.txt"]
    assert main(["--workspace", str(trained), "train", "--model_name", "dante", *flags]) == 0
    golds = [e for e in events(trained, "dante") if e["event"] == "gold_checkpoint" and e["iter"] > 8]
    # A loss on the text before is no measure for this one.
    assert golds[0]["prev_best"] is None
