"""What a model is: the fields of a bundle's `config.json`, as one typed value.

Files written by the original MyPT and by foreign importers load too: a field that is absent has the original's
default, a field that is not known is kept in `extra` and written back. Imports nothing but the standard library.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, cast

from mypt.errors import Problem, raise_for

POS_ENCODINGS = ("learned", "rope")
MLP_TYPES = ("gelu", "swiglu")
NORM_TYPES = ("layernorm", "rmsnorm")
ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu")
#: Values of `arch` that `mypt.model.GPT` builds; other architectures judge their variants themselves.
GPT_ARCHS = ("gpt", "nanogpt", "gpt2", "llama")
#: Values of `arch` that `mypt.model.Modded` builds.
MODDED_ARCHS = ("modded_small", "modded_medium")
ARCHS = GPT_ARCHS + MODDED_ARCHS

# Products of two of these are sizes in bytes that 64 bits hold.
_LARGEST = 10**8

#: Written only where they are set: they mean nothing in a model of our own.
_FOREIGN = (
    *("n_kv_head", "head_dim", "mlp_hidden_size", "norm_eps", "activation"),
    *("head_rows", "document_token", "window_long", "window_short"),
)
_KEY_OF = {"mlp_hidden_size": "mlp_hidden"}


@dataclass
class GPTConfig:
    """The shape of a GPT and the few settings that travel with it. Defaults are those of the original MyPT."""

    #: Sequences a micro-batch and rank.
    batch_size: int = 32
    #: Longest context in tokens (with RoPE: the trained one).
    block_size: int = 256
    #: Rows of the embedding, padding included; of the head as well, unless `head_rows` says otherwise.
    vocab_size: int = 50304
    #: Width of the residual stream.
    n_embd: int = 384
    #: Attention heads a layer.
    n_head: int = 6
    #: Blocks.
    n_layer: int = 6
    #: Probability for embeddings, attention weights and residual branches; 0 is off.
    dropout: float = 0.2
    #: Whether the two projections of the attention have biases.
    bias: bool = False
    #: Where the model ran; decided anew wherever a run starts.
    device: str = "cpu"
    #: One of `POS_ENCODINGS`.
    pos_encoding: str = "learned"
    #: One of `MLP_TYPES`.
    mlp_type: str = "gelu"
    #: One of `NORM_TYPES`.
    norm_type: str = "layernorm"
    #: Base of the RoPE frequencies.
    rope_theta: float = 10000.0
    #: RoPE positions are divided by this (linear scaling).
    rope_scale: float = 1.0
    #: Whether the head shares its matrix with the token embedding.
    tie_weights: bool = False
    #: Whether the loss counts only tokens whose mask is set.
    use_loss_mask: bool = False
    #: Activation checkpointing: recompute each block in the backward pass, for less memory.
    use_checkpoint: bool = False
    #: Whether positions restart at 0 where a packed segment begins.
    segment_position_reset: bool = True
    #: Strength of NEFTune's noise on the embeddings while training; 0 is off.
    neftune_alpha: float = 0.0
    #: Whether the head has a bias.
    head_bias: bool = True
    #: Whether the linear layers of a GELU MLP have biases (a SwiGLU never has).
    mlp_bias: bool = True
    #: Whether LayerNorm has biases (RMSNorm never has).
    norm_bias: bool = True
    #: Which architecture the weights are of; "gpt" is ours and the original's.
    arch: str = "gpt"
    #: Key and value heads, where fewer than `n_head` (grouped-query attention).
    n_kv_head: int | None = None
    #: Width of one attention head, where not n_embd / n_head.
    head_dim: int | None = None
    #: Inner width of the MLP (`mlp_hidden` in the file), where not the usual one.
    mlp_hidden_size: int | None = None
    #: Epsilon of the norms, where not 1e-5 (LayerNorm) or 1e-6 (RMSNorm).
    norm_eps: float | None = None
    #: One of `ACTIVATIONS`, where not the one that `mlp_type` implies.
    activation: str | None = None
    #: Rows of the head, where it is padded further than the embedding.
    head_rows: int | None = None
    #: The token that begins a document, across whose beginning attention does not look (`MODDED_ARCHS`).
    document_token: int | None = None
    #: Blocks of 128 tokens that the long and the short layers look back over (`MODDED_ARCHS`); without them, all.
    window_long: int | None = None
    window_short: int | None = None
    #: Fields of a file that we do not know, kept to be shown and written back.
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "config.json") -> GPTConfig:
        """The config of a file. Absent or null means the original's default; unknown fields go to `extra`.

        Raises `UserError` with every problem at once (`where` names the file in each).
        """
        known: dict[str, Any] = {}
        problems: list[Problem] = []
        for spec in _specs():
            key = _KEY_OF.get(spec.name, spec.name)
            if values.get(key) is None:
                continue
            value, wanted = values[key], _type_name(spec)
            if _fits(value, wanted):
                known[spec.name] = float(value) if wanted == "float" else value
            else:
                problems.append(Problem(f"must be {_IN_WORDS[wanted]}", where=where, field=key, value=value))
        file_keys = {_KEY_OF.get(spec.name, spec.name) for spec in _specs()}
        config = cls(**known, extra={k: v for k, v in values.items() if k not in file_keys})
        bad = {p.field for p in problems}
        # A field of the wrong type was replaced by its default, so checks that look at it would speak of a value
        # that the file does not have.
        problems += [p for p in config.problems(where=where) if not bad.intersection(_looks_at(p.field))]
        raise_for(problems)
        return config

    @classmethod
    def for_new_model(cls, **settings: Any) -> GPTConfig:
        """A config for a model of our own: no biases anywhere unless `bias` is true."""
        bias = bool(settings.get("bias", False))
        return cls(**{"head_bias": bias, "mlp_bias": bias, "norm_bias": bias, **settings})

    def to_dict(self) -> dict[str, Any]:
        """Flat JSON values in a fixed order; unset fields of foreign architectures are left out, `extra` comes last."""
        values: dict[str, Any] = {}
        for spec in _specs():
            value = getattr(self, spec.name)
            if value is not None or spec.name not in _FOREIGN:
                values[_KEY_OF.get(spec.name, spec.name)] = value
        return values | {k: v for k, v in self.extra.items() if k not in values}

    def problems(self, where: str = "") -> list[Problem]:
        """Everything about the values that no model can be built with; empty when all is well."""
        found: list[Problem] = []

        def check(name: str, holds: bool, message: str, remedy: str = "") -> None:
            if not holds:
                key = _KEY_OF.get(name, name)
                found.append(
                    Problem(message, where=where, field=key, value=getattr(self, name), remedy=remedy)
                )

        for name in ("batch_size", "block_size", "vocab_size", "n_embd", "n_head", "n_layer"):
            check(name, getattr(self, name) >= 1, "must be at least 1")
            check(name, getattr(self, name) <= _LARGEST, f"must be at most {_LARGEST}")
        check("dropout", 0 <= self.dropout < 1, "must be from 0 up to, but not including, 1")
        for name in ("rope_theta", "rope_scale"):
            check(name, 0 < getattr(self, name) < math.inf, "must be a number above 0")
        check("neftune_alpha", 0 <= self.neftune_alpha < math.inf, "must be 0 or more")
        check("norm_eps", self.norm_eps is None or 0 < self.norm_eps < 1, "must be between 0 and 1")
        for name in ("mlp_hidden_size", "head_dim", "window_long", "window_short", "head_rows"):
            value = getattr(self, name)
            check(name, value is None or value >= 1, "must be at least 1")
            check(name, value is None or value <= _LARGEST, f"must be at most {_LARGEST}")
        rows = f"must be at least vocab_size = {self.vocab_size}"
        check("head_rows", self.head_rows is None or self.head_rows >= self.vocab_size, rows)
        untied = not self.tie_weights or self.logit_rows == self.vocab_size
        check("head_rows", untied, "must be vocab_size where the head is tied to the embedding")
        check("document_token", self.document_token is None or self.document_token >= 0, "must be 0 or more")
        check("arch", self.arch in ARCHS, "is not known", _suggest(self.arch, ARCHS))
        if self.arch in GPT_ARCHS:
            for name, choices in (
                ("pos_encoding", POS_ENCODINGS),
                ("mlp_type", MLP_TYPES),
                ("norm_type", NORM_TYPES),
                ("activation", (None, *ACTIVATIONS)),
            ):
                check(
                    name,
                    getattr(self, name) in choices,
                    "is not known",
                    _suggest(getattr(self, name), choices),
                )
        if self.arch in MODDED_ARCHS:
            found += self._modded_problems(where)
        if self.n_head >= 1 and self.n_embd >= 1:
            if self.n_embd % self.n_head and self.head_dim is None:
                lower = self.n_embd - self.n_embd % self.n_head
                near = " or ".join(str(n) for n in (lower, lower + self.n_head) if n)
                check("n_embd", False, f"must be divisible by n_head = {self.n_head}", f"try {near}")
            elif self.pos_encoding == "rope":
                even = self.head_size % 2 == 0
                which = "n_embd / n_head" if self.head_dim is None else "head_dim"
                check("n_head", even, f"RoPE needs an even head size ({which} = {self.head_size})")
            shared = self.n_kv_head is None or (self.n_kv_head >= 1 and self.n_head % self.n_kv_head == 0)
            check("n_kv_head", shared, f"must divide n_head = {self.n_head}")
        return found

    def _modded_problems(self, where: str) -> list[Problem]:
        """What the fixed layout of these networks does not allow."""
        found: list[Problem] = []

        def check(name: str, holds: bool, message: str) -> None:
            if not holds:
                found.append(Problem(message, where=where, field=name, value=getattr(self, name)))

        fewest = 12 if self.arch == "modded_medium" else 6
        even = self.n_layer >= fewest and self.n_layer % 2 == 0
        check("n_layer", even, f"{self.arch} has an even number of layers, at least {fewest}")
        for name, alone in (("tie_weights", False), ("bias", False), ("head_bias", False)):
            check(name, getattr(self, name) is alone, f"{self.arch} has no such thing")
        check("n_kv_head", self.n_kv_head is None, f"{self.arch} has no grouped heads")
        if self.n_head >= 1:
            fits = self.head_size >= 8 and self.head_size % 4 == 0
            check(
                "n_head",
                fits,
                f"RoPE here needs heads of a multiple of 4 from 8 up (they are {self.head_size})",
            )
            square = self.arch == "modded_small" or self.n_head * self.head_size == self.n_embd
            check("head_dim", square, "the output matrix of modded_medium must be square")
        return found

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.n_embd // self.n_head if self.head_dim is None else self.head_dim

    @property
    def logit_rows(self) -> int:
        """Rows of the head, which are the logits of a token."""
        return self.vocab_size if self.head_rows is None else self.head_rows

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values: `n_head` unless grouped-query attention is asked for."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def mlp_hidden(self) -> int:
        """Inner width of the MLP: 4·n_embd, for SwiGLU 8/3·n_embd rounded up to a multiple of 64."""
        if self.mlp_hidden_size is not None:
            return self.mlp_hidden_size
        if self.mlp_type == "swiglu":
            return -(-int(8 * self.n_embd / 3) // 64) * 64
        return 4 * self.n_embd

    @property
    def eps(self) -> float:
        """Epsilon of the norms."""
        if self.norm_eps is not None:
            return self.norm_eps
        return 1e-6 if self.norm_type == "rmsnorm" else 1e-5


def _specs() -> list[Field[Any]]:
    return [spec for spec in fields(GPTConfig) if spec.name != "extra"]


def _type_name(spec: Field[Any]) -> str:
    # Annotations are strings here, such as "int | None".
    return str(spec.type).split(" ", 1)[0]


_IN_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a string"}
# JSON has one kind of number, of any size, and Python's bool is an int: all of it needs saying.
_CHECKS: dict[str, Callable[[object], bool]] = {
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, float) or (_CHECKS["int"](v) and -(2**1000) < cast(int, v) < 2**1000),
    "bool": lambda v: isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
}


def _fits(value: object, wanted: str) -> bool:
    return _CHECKS[wanted](value)


def _looks_at(name: str) -> set[str]:
    together = {"n_embd": {"n_embd", "n_head"}, "n_head": {"n_embd", "n_head", "pos_encoding"}}
    return together.get(name, {name, "n_head"} if name == "n_kv_head" else {name})


def _suggest(value: object, choices: tuple[str | None, ...]) -> str:
    names = [c for c in choices if c is not None]
    near = difflib.get_close_matches(str(value).lower(), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"known: {', '.join(names)}{hint}"
