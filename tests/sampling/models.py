"""Models that say what a test wants."""

from __future__ import annotations

from pathlib import Path

import torch

import mypt
from mypt.model import GPTConfig
from mypt.tokenizers import Tokenizer

_CONTEXT = 128


def reciting(
    workspace: Path, script: str, tokenizer: Tokenizer, *, masked: bool, name: str = "actor"
) -> None:
    """Save a model that says `script` token by token, whatever is in front of it; `masked`: as if trained to answer."""
    config = GPTConfig(
        block_size=_CONTEXT, vocab_size=tokenizer.vocab_size, n_embd=_CONTEXT, n_head=1, n_layer=1
    )
    config.use_loss_mask = masked
    model = mypt.GPT(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.fill_(1.0 if parameter_name.endswith("ln_f.weight") else 0.0)
        # The stream holds nothing but the position, and the head has a row for what is said there.
        model.position_embedding_table.weight.copy_(torch.eye(_CONTEXT))
        for place, token in enumerate(tokenizer.encode(script)[1:]):
            model.lm_head.weight[token, place] = 10.0
    mypt.save_checkpoint_bundle(model, workspace / "checkpoints" / name, tokenizer=tokenizer, step=7)
