"""From conversations to a model that answers, by the commands that people type."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.tokenizers import CHAT_TOKENS, save, train_bpe
from tests.workbench import SHAPE, story

ANSWERS = {"the cat": "it meows.", "a dog": "it barks.", "the owl": "it hoots."}


def conversations(root: Path) -> Path:
    draw = random.Random(1)
    lines = []
    for _ in range(60):
        messages = []
        for who in draw.sample(sorted(ANSWERS), draw.randint(1, 2)):
            messages.append({"role": "user", "content": f"what does {who} do?"})
            messages.append({"role": "assistant", "content": ANSWERS[who]})
        lines.append(json.dumps({"messages": messages}))
    path = root / "chat.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_a_base_learns_to_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str], packed: bool) -> None:
    text = conversations(tmp_path).read_text()
    (tmp_path / "base.txt").write_text(story(3000))
    save(train_bpe([text], 320), tmp_path / "tok.json")

    def mypt(*arguments: str) -> str:
        assert main(["--workspace", str(tmp_path), *arguments]) == 0
        return capsys.readouterr().out

    pack = ["--pack_block_size", "48"] if packed else []
    said = mypt("prepare", "chat.jsonl", "--output_dir", "data/chat", "--tokenizer_file", "tok.json", *pack)
    assert "data/chat: 60 conversations, bpe, " in said and "count in the loss" in said
    mypt("prepare", "base.txt", "--output_dir", "data/base", "--tokenizer_from", "data/chat")
    few = ["--eval_iters", "1", "--sample_interval", "0", "--device", "cpu", "--learning_rate", "0.01"]
    shape = [*SHAPE, "--n_embd", "32", "--vocab_size", "384", "--block_size", "48", "--pos_encoding", "rope"]
    base = [
        "--model_name",
        "base",
        "--dataset_dir",
        "data/base",
        "--max_iters",
        "10",
        "--eval_interval",
        "10",
    ]
    mypt("train", *base, *shape, *few)
    tuned = [
        "--model_name",
        "chat",
        "--init_from_model",
        "base",
        "--dataset_dir",
        "data/chat",
        "--block_size",
        "48",
    ]
    how = [
        "--use_loss_mask",
        "true",
        "--dropout",
        "0.1",
        "--batch_sampling_mode",
        "epoch",
        "--batch_size",
        "8",
    ]
    said = mypt("train", *tuned, *how, *few, "--max_iters", "150", "--eval_interval", "150")
    assert "use_loss_mask: True" in said and "dropout: 0.1" in said
    known = json.loads((tmp_path / "checkpoints" / "chat" / "tokenizer.json").read_text())
    assert [t["content"] for t in known["tokenizer"]["added_tokens"]][-19:] == list(CHAT_TOKENS)
    for who, answer in ANSWERS.items():
        ask = ["--prompt", f"what does {who} do?", "--temperature", "0", "--max_new_tokens", "40"]
        assert mypt("generate", "--model_name", "chat", *ask).strip() == answer
