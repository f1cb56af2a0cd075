"""Hugging Face's Llama: RoPE, RMSNorm, SwiGLU and grouped heads, with the configs of transformers 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.interop.fields import Fields
from mypt.interop.formats import Asked, Checkpoint, Plan, Taken
from mypt.interop.mapping import layers
from mypt.interop.nanogpt import matrix
from mypt.settings.model_config import GPTConfig

_EMBEDDING = "model.embed_tokens.weight"
_ACTIVATIONS = {
    "silu": None,
    "swish": None,
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


class LlamaFormat:
    """Recognised by its names; that it is Llama itself and no relative of it, its config says."""

    title = "Hugging Face Llama (a folder with config.json and *.safetensors)"

    def matches(self, found: Checkpoint) -> bool:
        """Whether the names are Llama's, which many relatives share."""
        return _EMBEDDING in found.state

    def plan(self, found: Checkpoint, asked: Asked) -> Plan:
        """Shapes from the weights, held against the config; what shapes do not tell from the config."""
        state, where = found.state, found.path.name
        config = found.document(bundle.CONFIG)
        if not config:
            raise UserError(
                Problem(
                    "has Llama's names, but config.json must lie beside it: it has the heads and more",
                    where=where,
                    remedy="name the folder that save_pretrained wrote",
                )
            )
        fields = Fields(config, f"{where}/{bundle.CONFIG}")
        fields.only(
            "model_type", ("llama",), "is a relative of Llama that computes otherwise; only llama is read"
        )
        count = layers(state, r"model\.layers\.(\d+)\.", where)
        rows, width = matrix(state, _EMBEDDING, where)
        for name, there in (("num_hidden_layers", count), ("hidden_size", width), ("vocab_size", rows)):
            fields.only(name, (there,), f"the weights have {there}")
        fields.only("mlp_bias", (False,), "biases in the MLP have no counterpart here")
        fields.only("hidden_act", tuple(_ACTIVATIONS), f"known here: {', '.join(_ACTIVATIONS)}")
        heads = fields.whole("num_attention_heads")
        kv_heads = fields.whole("num_key_value_heads", heads)
        head_dim = fields.whole("head_dim", max(width // heads, 1))
        hidden = fields.whole("intermediate_size")
        context = fields.whole("max_position_embeddings", 2048)
        eps = fields.number("rms_norm_eps", 1e-6)
        tied = fields.flag("tie_word_embeddings", False)
        bias = fields.flag("attention_bias", False)
        activation = _ACTIVATIONS.get(fields.text("hidden_act", "silu"))
        theta, scale = _rope(config, fields)
        if heads % kv_heads:
            fields.refuse("num_key_value_heads", f"must divide the {heads} heads")
        fields.done()
        if asked.n_head not in (None, heads):
            raise UserError(Problem(f"the checkpoint says {heads}", field="n_head", value=asked.n_head))
        ours = GPTConfig(
            n_layer=count,
            n_head=heads,
            n_embd=width,
            vocab_size=rows,
            block_size=asked.max_seq_len or context,
            dropout=0.0,
            bias=bias,
            pos_encoding="rope",
            mlp_type="swiglu",
            norm_type="rmsnorm",
            rope_theta=theta,
            rope_scale=scale,
            tie_weights=tied,
            head_bias=False,
            mlp_bias=False,
            norm_bias=False,
            n_kv_head=None if kv_heads == heads else kv_heads,
            head_dim=None if head_dim * heads == width else head_dim,
            norm_eps=None if eps == 1e-6 else eps,
            activation=activation,
        )
        if ours.mlp_hidden != hidden:
            ours.mlp_hidden_size = hidden
        shared = tied and "lm_head.weight" not in state
        weights = _weights(count, bias=bias) | {
            "lm_head.weight": Taken((_EMBEDDING if shared else "lm_head.weight",))
        }
        tables = {
            name: "RoPE's frequencies, which follow from the config"
            for i in range(count)
            if (name := f"model.layers.{i}.self_attn.rotary_emb.inv_freq") in state
        }
        return Plan("llama", "Hugging Face Llama", ours, weights, tables)


def _weights(count: int, *, bias: bool) -> dict[str, Taken]:
    weights = {
        "token_embedding_table.weight": Taken((_EMBEDDING,)),
        "ln_f.weight": Taken(("model.norm.weight",)),
    }
    for i in range(count):
        at, ours = f"model.layers.{i}.", f"blocks.{i}."
        weights[f"{ours}ln1.weight"] = Taken((f"{at}input_layernorm.weight",))
        weights[f"{ours}ln2.weight"] = Taken((f"{at}post_attention_layernorm.weight",))
        for kind in ("weight", "bias") if bias else ("weight",):
            qkv = tuple(f"{at}self_attn.{which}_proj.{kind}" for which in "qkv")
            weights[f"{ours}sa.qkv.{kind}"] = Taken(qkv)
            weights[f"{ours}sa.proj.{kind}"] = Taken((f"{at}self_attn.o_proj.{kind}",))
        for which in ("gate", "up", "down"):
            weights[f"{ours}fwd.w_{which}.weight"] = Taken((f"{at}mlp.{which}_proj.weight",))
    return weights


def _rope(config: Mapping[str, Any], fields: Fields) -> tuple[float, float]:
    """Base and linear scale of the positions: one object in transformers 5, two fields in 4."""
    field = "rope_parameters" if config.get("rope_parameters") is not None else "rope_scaling"
    held = config.get(field)
    if held is not None and not isinstance(held, Mapping):
        fields.refuse(field, "must be an object")
        return 10000.0, 1.0
    inner = Fields(held or {}, f"config.json: {field}")
    kind = inner.text("rope_type", inner.text("type", "default"))
    if kind not in ("default", "linear"):
        fields.refuse(field, f"the RoPE type {kind} has no counterpart here; default and linear are read")
    theta = inner.number("rope_theta", fields.number("rope_theta", 10000.0))
    scale = inner.number("factor", 1.0) if kind == "linear" else 1.0
    partial = (held or {}).get("partial_rotary_factor", config.get("partial_rotary_factor"))
    if partial not in (None, 1, 1.0):
        fields.refuse(field, f"rotating a part of each head ({partial}) has no counterpart here")
    inner.done()
    return theta, scale
