"""Which architecture of `transformers` is exactly a model of ours, and that one's config. No torch.

Facts of the counterparts are those of transformers' `GPT2Config` and `LlamaConfig`: GPT-2 has learned positions,
LayerNorm and a plain MLP, Llama RoPE (turning split halves, as ours does), RMSNorm and a gated MLP, and neither has a
bias on its head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mypt.errors import Problem, UserError, raise_for
from mypt.settings.model_config import GPT_ARCHS, GPTConfig

GPT2, LLAMA = "gpt2", "llama"
_CLASSES = {GPT2: "GPT2LMHeadModel", LLAMA: "LlamaForCausalLM"}
_TITLES = {GPT2: "GPT-2", LLAMA: "Llama"}
#: What a family must have beside its positions, which decide between the two.
_PARTS = {
    GPT2: {"norm_type": "layernorm", "mlp_type": "gelu"},
    LLAMA: {"norm_type": "rmsnorm", "mlp_type": "swiglu"},
}
#: transformers' names: its "gelu" is the exact form, "gelu_new" the one with tanh.
_GPT2_ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "silu": "silu"}
_LLAMA_ACTIVATIONS = {**_GPT2_ACTIVATIONS, "gelu_tanh": "gelu_pytorch_tanh"}


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The architecture that computes the same: its family, its class in transformers, and its config.json."""

    family: str
    architecture: str
    config: dict[str, Any]


def counterpart(config: GPTConfig, ends: Mapping[str, Any], *, where: str) -> Counterpart:
    """What a model of `config` is in transformers; `ends` are the ids of its tokenizer's marks, for the config.

    Raises `UserError` with every field that no architecture there has, `where` naming the file.
    """
    if config.arch not in GPT_ARCHS:
        raise UserError(
            Problem(
                "is an architecture that transformers does not have, so nothing could load its weights",
                where=where,
                field="arch",
                value=config.arch,
                remedy="mypt export --format fp16 or bf16 makes a copy that MyPT loads",
            )
        )
    family = LLAMA if config.pos_encoding == "rope" else GPT2
    problems = [
        Problem(
            f"has no exact counterpart: a model with {config.pos_encoding} positions would be "
            f"{_TITLES[family]}, which has {wanted}",
            where=where,
            field=name,
            value=getattr(config, name),
        )
        for name, wanted in _PARTS[family].items()
        if getattr(config, name) != wanted
    ]
    if family == GPT2 and config.kv_heads != config.n_head:
        message = f"has no exact counterpart: GPT-2 has keys and values for each of its {config.n_head} heads"
        problems.append(Problem(message, where=where, field="n_kv_head", value=config.n_kv_head))
    if family == GPT2 and config.n_head * config.head_size != config.n_embd:
        message = (
            f"has no exact counterpart: in GPT-2 {config.n_head} heads share the {config.n_embd} of n_embd"
        )
        problems.append(Problem(message, where=where, field="head_dim", value=config.head_dim))
    if config.logit_rows != config.vocab_size:
        message = f"has no exact counterpart: the embedding has {config.vocab_size} rows, and there heads have as many"
        problems.append(Problem(message, where=where, field="head_rows", value=config.head_rows))
    raise_for(problems)
    return Counterpart(family, _CLASSES[family], (_llama if family == LLAMA else _gpt2)(config) | dict(ends))


def head_bias_problem(largest: float, *, where: str) -> Problem:
    """That the head adds a bias, of which the `largest` is told."""
    return Problem(
        f"is not zero (up to {largest:.4g}): neither GPT-2 nor Llama has a bias on its head",
        where=where,
        field="lm_head.bias",
        remedy="mypt export --format fp16 or bf16 makes a copy that MyPT loads",
    )


def _shared(config: GPTConfig, family: str) -> dict[str, Any]:
    return {
        "architectures": [_CLASSES[family]],
        "model_type": family,
        "torch_dtype": "float32",
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_weights,
        "initializer_range": 0.02,
        "use_cache": True,
    }


def _gpt2(config: GPTConfig) -> dict[str, Any]:
    return {
        **_shared(config, GPT2),
        "n_positions": config.block_size,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.mlp_hidden,
        "activation_function": _GPT2_ACTIVATIONS[config.activation or "gelu"],
        "layer_norm_epsilon": config.eps,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "add_cross_attention": False,
    }


def _llama(config: GPTConfig) -> dict[str, Any]:
    scaling = None
    if config.rope_scale != 1:
        # Older versions of transformers look for "type", others for "rope_type".
        scaling = {"type": "linear", "rope_type": "linear", "factor": config.rope_scale}
    return {
        **_shared(config, LLAMA),
        "max_position_embeddings": config.block_size,
        "hidden_size": config.n_embd,
        "intermediate_size": config.mlp_hidden,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_size,
        "hidden_act": _LLAMA_ACTIVATIONS[config.activation or "silu"],
        "rms_norm_eps": config.eps,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "attention_bias": config.bias,
        "attention_dropout": config.dropout,
        "mlp_bias": False,
        "pretraining_tp": 1,
    }
