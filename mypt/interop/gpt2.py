"""Hugging Face's GPT-2: the names that nanoGPT took over, matrices stored (in, out), the activation in its config."""

from __future__ import annotations

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.interop.fields import Fields
from mypt.interop.formats import Asked, Checkpoint, Plan, Taken
from mypt.interop.mapping import layers
from mypt.interop.nanogpt import GPT2_ROWS, gpt2_weights, matrix
from mypt.settings.model_config import GPTConfig

_PREFIX = "transformer."
#: Their names for activations that we have; None is the one that a config without a word means.
_ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": None,
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


class Gpt2Format:
    """Recognised by GPT-2's names, with and without `transformer.` before them, and a config that says so."""

    title = "Hugging Face GPT-2 (a folder with config.json and *.safetensors)"

    def matches(self, found: Checkpoint) -> bool:
        """Whether the names are GPT-2's. Without a config nothing says how its matrices are to be read."""
        named = any(f"{before}wte.weight" in found.state for before in (_PREFIX, ""))
        return named and (found.document(bundle.CONFIG).get("model_type") == "gpt2" or _conv1d(found))

    def plan(self, found: Checkpoint, asked: Asked) -> Plan:
        """Shapes from the weights, held against the config; what shapes do not tell from the config."""
        state, where = found.state, found.path.name
        config = found.document(bundle.CONFIG)
        if not config:
            raise UserError(
                Problem(
                    "is Hugging Face's GPT-2, whose config.json must lie beside it: it has the heads and more",
                    where=where,
                    remedy="name the folder that save_pretrained wrote",
                )
            )
        before = _PREFIX if f"{_PREFIX}wte.weight" in state else ""
        count = layers(state, before.replace(".", r"\.") + r"h\.(\d+)\.", where)
        rows, width = matrix(state, f"{before}wte.weight", where)
        context = matrix(state, f"{before}wpe.weight", where)[0]
        fields = Fields(config, f"{where}/{bundle.CONFIG}")
        for name, there in (
            ("n_layer", count),
            ("n_embd", width),
            ("vocab_size", rows),
            ("n_positions", context),
        ):
            fields.only(name, (there,), f"the weights have {there}")
        fields.only("scale_attn_weights", (True,), "attention without its scale has no counterpart here")
        for name in ("scale_attn_by_inverse_layer_idx", "add_cross_attention"):
            fields.only(name, (False,), "has no counterpart here")
        fields.only("activation_function", tuple(_ACTIVATIONS), f"known here: {', '.join(_ACTIVATIONS)}")
        heads = fields.whole("n_head", 12)
        hidden = fields.whole("n_inner", 4 * width)
        activation = fields.text("activation_function", "gelu_new")
        tied = fields.flag("tie_word_embeddings", True)
        eps = fields.number("layer_norm_epsilon", 1e-5)
        dropout = fields.number("resid_pdrop", 0.1)
        if width % heads:
            fields.refuse("n_head", f"must divide the width, {width}")
        fields.done()
        if asked.n_head not in (None, heads):
            raise UserError(Problem(f"the checkpoint says {heads}", field="n_head", value=asked.n_head))
        if asked.max_seq_len is not None:
            message = f"the checkpoint has {context} learned positions"
            raise UserError(Problem(message, field="max_seq_len", value=asked.max_seq_len))
        weights, masks = gpt2_weights(state, before, count, bias=True, transposed=True)
        shared = tied and "lm_head.weight" not in state
        weights["lm_head.weight"] = Taken((f"{before}wte.weight" if shared else "lm_head.weight",))
        return Plan(
            "gpt2",
            "Hugging Face GPT-2",
            GPTConfig(
                n_layer=count,
                n_head=heads,
                n_embd=width,
                vocab_size=rows,
                block_size=context,
                dropout=dropout if dropout < 1 else 0.0,
                bias=True,
                head_bias=False,
                tie_weights=tied,
                mlp_hidden_size=None if hidden == 4 * width else hidden,
                norm_eps=None if eps == 1e-5 else eps,
                activation=_ACTIVATIONS[activation],
            ),
            weights,
            masks,
            true_vocab=50257 if rows in GPT2_ROWS else None,
        )


def _conv1d(found: Checkpoint) -> bool:
    """Whether the first matrix lies (in, out)."""
    for before in (_PREFIX, ""):
        qkv = found.state.get(f"{before}h.0.attn.c_attn.weight")
        if qkv is not None:
            return bool(qkv.dim() == 2 and qkv.size(1) == 3 * qkv.size(0))
    return False
