"""The weights of a model under the names and in the layouts of its counterpart in transformers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mypt.interop.export_config import LLAMA
from mypt.model import LanguageModel

WEIGHTS = "model.safetensors"


def largest_head_bias(bias: Tensor | None) -> float:
    """The largest absolute value of a head's bias; 0 where there is none or nothing but zeros."""
    return 0.0 if bias is None else float(bias.float().abs().max())


def write_weights(model: LanguageModel, family: str, file: Path) -> None:
    """Write `model` in float32 as `file`. Raises `SafetensorError` or OSError where the disk will not take it."""
    from safetensors.torch import save_file

    named = _llama(model) if family == LLAMA else _gpt2(model)
    # Copies, since a part of a matrix shares its memory, which the format does not know of.
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).clone(memory_format=torch.contiguous_format)
        for name, tensor in named
    }
    # transformers asks which library wrote it.
    save_file(tensors, file, metadata={"format": "pt"})


def _gpt2(model: LanguageModel) -> Iterator[tuple[str, Tensor]]:
    config = model.config
    state: dict[str, Tensor] = model.state_dict()

    def bias(name: str, rows: int) -> Tensor:
        # GPT-2 always has biases; one of zeros is none.
        return state[name] if name in state else torch.zeros(rows)

    yield "transformer.wte.weight", state["token_embedding_table.weight"]
    yield "transformer.wpe.weight", state["position_embedding_table.weight"]
    width, hidden = config.n_embd, config.mlp_hidden
    for layer in range(config.n_layer):
        ours, theirs = f"blocks.{layer}", f"transformer.h.{layer}"
        for mine, name in (("ln1", "ln_1"), ("ln2", "ln_2")):
            yield f"{theirs}.{name}.weight", state[f"{ours}.{mine}.weight"]
            yield f"{theirs}.{name}.bias", bias(f"{ours}.{mine}.bias", width)
        for mine, name, rows in (
            ("sa.qkv", "attn.c_attn", 3 * width),
            ("sa.proj", "attn.c_proj", width),
            ("fwd.net.0", "mlp.c_fc", hidden),
            ("fwd.net.2", "mlp.c_proj", width),
        ):
            # GPT-2's "Conv1D" multiplies from the other side.
            yield f"{theirs}.{name}.weight", state[f"{ours}.{mine}.weight"].T
            yield f"{theirs}.{name}.bias", bias(f"{ours}.{mine}.bias", rows)
    yield "transformer.ln_f.weight", state["ln_f.weight"]
    yield "transformer.ln_f.bias", bias("ln_f.bias", width)
    if not config.tie_weights:
        yield "lm_head.weight", state["lm_head.weight"]


def _llama(model: LanguageModel) -> Iterator[tuple[str, Tensor]]:
    state, config = model.state_dict(), model.config
    rows = [heads * config.head_size for heads in (config.n_head, config.kv_heads, config.kv_heads)]
    kinds = ("weight", "bias") if config.bias else ("weight",)
    yield "model.embed_tokens.weight", state["token_embedding_table.weight"]
    for layer in range(config.n_layer):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        yield f"{theirs}.input_layernorm.weight", state[f"{ours}.ln1.weight"]
        yield f"{theirs}.post_attention_layernorm.weight", state[f"{ours}.ln2.weight"]
        for kind in kinds:
            parts = state[f"{ours}.sa.qkv.{kind}"].split(rows)
            for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
                yield f"{theirs}.self_attn.{name}.{kind}", part
            yield f"{theirs}.self_attn.o_proj.{kind}", state[f"{ours}.sa.proj.{kind}"]
        for mine, name in (("w_gate", "gate_proj"), ("w_up", "up_proj"), ("w_down", "down_proj")):
            yield f"{theirs}.mlp.{name}.weight", state[f"{ours}.fwd.{mine}.weight"]
    yield "model.norm.weight", state["ln_f.weight"]
    if not config.tie_weights:
        yield "lm_head.weight", state["lm_head.weight"]
