"""modded-nanogpt's checkpoints (mid 2025): small, medium, and large-lite, which has the medium one's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mypt.errors import Problem, UserError
from mypt.interop.formats import Asked, Checkpoint, Plan, Taken
from mypt.interop.mapping import layers
from mypt.interop.nanogpt import GPT2_ROWS, matrix
from mypt.model.modded import TABLES
from mypt.model.modded_parts import BLOCK, WITHOUT_ATTENTION
from mypt.settings.model_config import GPTConfig

#: Heads by (layers, width): what shapes cannot tell, since the large ones have narrower heads.
HEADS = {(12, 768): 6, (16, 1024): 8, (24, 1152): 18, (36, 1280): 20}
_HEAD_SIZE = 128
#: The token that the training scripts take for the beginning of a document, whatever the tokenizer.
DOCUMENT_TOKEN = 50256
#: The windows, in blocks of `BLOCK` tokens, that training ends with: of long and of short layers.
WINDOWS = {"small": (14, 7), "medium": (27, 13)}
#: Epsilon of all norms: that of float32.
EPS = 1.1920929e-07
_FEWEST = {"small": 6, "medium": 12}


class ModdedFormat:
    """One of the two sizes: "small" has its output projections apart, "medium" within `qkvo_w`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.title = f"modded-nanogpt {kind} (a .pt file of its training script)"

    def matches(self, found: Checkpoint) -> bool:
        """Whether it is meant to be of this size, or of another version that has such names."""
        state = found.state
        if "embed.weight" not in state or not any(name.startswith("blocks.") for name in state):
            return False
        medium = "lm_head_w" in state or (
            "lm_head.weight" not in state and any(name.endswith(".attn.qkvo_w") for name in state)
        )
        return medium == (self.kind == "medium")

    def plan(self, found: Checkpoint, asked: Asked) -> Plan:
        """Everything from shapes, but the heads of sizes that nobody knows, and the context."""
        state, where, medium = found.state, found.path.name, self.kind == "medium"
        count = layers(state, r"blocks\.(\d+)\.", where)
        rows, width = matrix(state, "embed.weight", where)
        inner = self._inner(state, width)
        heads = _heads(asked.n_head or _recorded_heads(found), count, width, inner)
        if count % 2 or count < _FEWEST[self.kind]:
            message = f"has {count} layers; this kind has an even number, at least {_FEWEST[self.kind]}"
            raise UserError(Problem(message, where=where))
        head = state.get("lm_head_w" if medium else "lm_head.weight")
        head_rows = head.size(0) if head is not None and head.dim() == 2 else rows
        long, short = WINDOWS[self.kind]
        config = GPTConfig(
            arch=f"modded_{self.kind}",
            n_layer=count,
            n_head=heads,
            n_embd=width,
            head_dim=None if inner == width else inner // heads,
            vocab_size=rows,
            head_rows=head_rows if head_rows > rows else None,
            block_size=asked.max_seq_len or long * BLOCK,
            dropout=0.0,
            pos_encoding="rope",
            rope_theta=1024.0,
            norm_type="rmsnorm",
            norm_eps=EPS,
            activation="relu2",
            head_bias=False,
            mlp_bias=False,
            norm_bias=False,
            document_token=DOCUMENT_TOKEN,
            window_long=long,
            window_short=short,
        )
        scalars = state.get("scalars")
        padding = scalars.numel() - 5 * count if scalars is not None else 0
        step, loss = _recorded(found)
        return Plan(
            self.kind,
            f"modded-nanogpt {self.kind}",
            config,
            self._weights(count),
            true_vocab=rows if medium else DOCUMENT_TOKEN + 1 if rows in GPT2_ROWS else None,
            step=step,
            loss=loss,
            notes=_notes(config, padding),
        )

    def _inner(self, state: Mapping[str, Tensor], width: int) -> int:
        """Width of all heads together."""
        first = state.get("blocks.0.attn.qkvo_w" if self.kind == "medium" else "blocks.0.attn.qkv_w")
        return first.size(1) if first is not None and first.dim() == 3 else width

    def _weights(self, count: int) -> dict[str, Taken]:
        medium = self.kind == "medium"
        names = ["embed.weight", *(f"value_embeds.{i}.weight" for i in range(TABLES))]
        names.append("lm_head_w" if medium else "lm_head.weight")
        attention = ("qkvo_w",) if medium else ("qkv_w", "c_proj.weight")
        mlp = ("fc_w", "proj_w") if medium else ("c_fc.weight", "c_proj.weight")
        for i in range(count):
            if i != WITHOUT_ATTENTION:
                names += [f"blocks.{i}.attn.{name}" for name in attention]
            names += [f"blocks.{i}.mlp.{name}" for name in mlp]
        return {name: Taken((name,)) for name in names} | {"scalars": Taken(("scalars",), first=5 * count)}


def _recorded_heads(found: Checkpoint) -> int | None:
    """What fine-tunes on summaries write beside their weights; the training scripts do not."""
    config = found.content.get("config")
    heads = config.get("num_heads") if isinstance(config, Mapping) else None
    return heads if isinstance(heads, int) and heads >= 1 else None


def _heads(given: int | None, count: int, width: int, inner: int) -> int:
    heads = given or HEADS.get((count, width)) or max(inner // _HEAD_SIZE, 1)
    if inner % heads or inner // heads % 4:
        message = f"the heads are {inner} wide together, and each must be a multiple of 4"
        remedy = "give the number that it was trained with: --n_head"
        raise UserError(Problem(message, field="n_head", value=heads, remedy=remedy))
    return heads


def _recorded(found: Checkpoint) -> tuple[int | None, float | None]:
    content: Mapping[str, Any] = found.content
    step = content.get("step", content.get("global_step"))
    loss = content.get("val_loss", content.get("val_token_loss"))
    return (
        step if isinstance(step, int) else None,
        float(loss) if isinstance(loss, int | float) else None,
    )


def _notes(config: GPTConfig, padding: int) -> tuple[str, ...]:
    found = []
    if padding > 0:
        many = "1 number" if padding == 1 else f"{padding} numbers"
        found.append(f"scalars: {many} at the end only fill up and were never read; they are left out")
    if config.vocab_size <= DOCUMENT_TOKEN:
        found.append(
            f"documents begin at token {DOCUMENT_TOKEN} in its training, which this vocabulary does not reach: "
            "attention crosses documents here as it did there"
        )
    else:
        found.append(f"a document begins at token {DOCUMENT_TOKEN}, and attention stays within it")
    found.append(
        f"windows are those that training ends with: {config.window_long} blocks of {BLOCK} tokens in long layers, "
        f"{config.window_short} in short ones"
    )
    return tuple(found)
