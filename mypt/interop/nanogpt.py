"""nanoGPT's `ckpt.pt`: GPT-2's names with weights (out, in), the exact GELU, biases or none, head and embedding tied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mypt.errors import Problem, UserError
from mypt.interop.fields import Fields
from mypt.interop.formats import Asked, Checkpoint, Plan, Taken
from mypt.interop.mapping import layers
from mypt.settings.model_config import GPTConfig

_WTE, _WPE, _QKV = "transformer.wte.weight", "transformer.wpe.weight", "transformer.h.0.attn.c_attn.weight"
#: The sizes in which GPT-2's vocabulary comes: exact, and filled up to a multiple of 64.
GPT2_ROWS = (50257, 50304)


class NanoGptFormat:
    """Told from Hugging Face's GPT-2, which has the same names, by which way its matrices lie."""

    title = "nanoGPT (ckpt.pt)"

    def matches(self, found: Checkpoint) -> bool:
        """Whether the names are GPT-2's, and the matrices (out, in)."""
        qkv = found.state.get(_QKV)
        return (
            _WTE in found.state
            and isinstance(qkv, Tensor)
            and qkv.dim() == 2
            and qkv.size(0) == 3 * qkv.size(1)
        )

    def plan(self, found: Checkpoint, asked: Asked) -> Plan:
        """Shapes from the weights; heads and dropout from the file's `model_args`."""
        state, where = found.state, found.path.name
        count = layers(state, r"transformer\.h\.(\d+)\.", where)
        held = found.content.get("model_args")
        args: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
        if not args and asked.n_head is None:
            message = "does not say how many heads it has, and shapes cannot tell"
            raise UserError(Problem(message, where=where, field="model_args", remedy="give --n_head"))
        fields = Fields({"n_head": asked.n_head, **args}, f"{where}: model_args")
        heads = fields.whole("n_head")
        if asked.n_head not in (None, heads):
            raise UserError(Problem(f"the checkpoint says {heads}", field="n_head", value=asked.n_head))
        rows, width = matrix(state, _WTE, where)
        context = matrix(state, _WPE, where)[0]
        for name, there in (
            ("n_layer", count),
            ("n_embd", width),
            ("vocab_size", rows),
            ("block_size", context),
        ):
            fields.only(name, (there,), f"the weights have {there}")
        dropout = fields.number("dropout", 0.0)
        fields.done()
        if asked.max_seq_len is not None:
            message = f"the checkpoint has {context} learned positions"
            raise UserError(Problem(message, field="max_seq_len", value=asked.max_seq_len))
        bias = "transformer.ln_f.bias" in state
        weights, masks = gpt2_weights(state, "transformer.", count, bias=bias, transposed=False)
        weights["lm_head.weight"] = Taken(("lm_head.weight",))
        tied = _same(state, "lm_head.weight", _WTE)
        config = GPTConfig(
            n_layer=count,
            n_head=heads,
            n_embd=width,
            vocab_size=rows,
            block_size=context,
            dropout=dropout if dropout < 1 else 0.0,
            bias=bias,
            head_bias=False,
            mlp_bias=bias,
            norm_bias=bias,
            tie_weights=tied,
        )
        step, loss = found.content.get("iter_num"), found.content.get("best_val_loss")
        return Plan(
            "nanogpt",
            "nanoGPT",
            config,
            weights,
            masks,
            true_vocab=50257 if rows in GPT2_ROWS else rows,
            step=step if isinstance(step, int) else None,
            loss=float(loss) if isinstance(loss, int | float | Tensor) else None,
            hint=_about_tokens(found, rows),
        )


def gpt2_weights(
    state: Mapping[str, Tensor], before: str, count: int, *, bias: bool, transposed: bool
) -> tuple[dict[str, Taken], dict[str, str]]:
    """Where the weights of GPT-2's names go, head excepted, and which tensors are masks.

    `before` stands before every name; `transposed` says that matrices are stored (in, out).
    """
    weights = {
        "token_embedding_table.weight": Taken((f"{before}wte.weight",)),
        "position_embedding_table.weight": Taken((f"{before}wpe.weight",)),
    }
    kinds = ("weight", "bias") if bias else ("weight",)
    for kind in kinds:
        weights[f"ln_f.{kind}"] = Taken((f"{before}ln_f.{kind}",))
        for i in range(count):
            at, turned = f"{before}h.{i}.", transposed and kind == "weight"
            for ours, theirs in (("ln1", "ln_1"), ("ln2", "ln_2")):
                weights[f"blocks.{i}.{ours}.{kind}"] = Taken((f"{at}{theirs}.{kind}",))
            for ours, theirs in (
                ("sa.qkv", "attn.c_attn"),
                ("sa.proj", "attn.c_proj"),
                ("fwd.net.0", "mlp.c_fc"),
                ("fwd.net.2", "mlp.c_proj"),
            ):
                weights[f"blocks.{i}.{ours}.{kind}"] = Taken((f"{at}{theirs}.{kind}",), turned)
    masks = {
        name: "a causal mask, which is no weight"
        for i in range(count)
        for name in (f"{before}h.{i}.attn.bias", f"{before}h.{i}.attn.masked_bias")
        if name in state and state[name].dim() in (0, 4)
    }
    return weights, masks


def _about_tokens(found: Checkpoint, rows: int) -> str:
    """Where the vocabulary is, when the checkpoint does not hold it."""
    config = found.content.get("config")
    dataset = config.get("dataset") if isinstance(config, Mapping) else None
    if rows in GPT2_ROWS or not isinstance(dataset, str):
        return ""
    return f"it was trained on nanoGPT's dataset {dataset}: look for data/{dataset}/meta.pkl"


def matrix(state: Mapping[str, Tensor], name: str, where: str) -> tuple[int, int]:
    """Rows and columns of the matrix `name`. Raises `UserError` where it is missing or none."""
    tensor = state.get(name)
    if tensor is None or tensor.dim() != 2 or not tensor.numel():
        reason = "is missing" if tensor is None else f"has shape {tuple(tensor.shape)}, and must be a matrix"
        raise UserError(Problem(reason, where=where, field=name))
    return tensor.size(0), tensor.size(1)


def _same(state: Mapping[str, Tensor], one: str, two: str) -> bool:
    """Whether two names hold the same matrix; a missing one is found out about elsewhere."""
    a, b = state.get(one), state.get(two)
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return a is None or b is None
    return a.data_ptr() == b.data_ptr() or bool((a == b).all())
