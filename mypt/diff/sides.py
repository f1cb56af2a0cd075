"""What one checkpoint or run brings to a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mypt.bundle import BundleInfo
from mypt.diff.values import MOST, Cell, spelled
from mypt.errors import MyptError
from mypt.estimate import parameters
from mypt.settings.model_config import ARCHS, GPTConfig
from mypt.text import whole


@dataclass(frozen=True, slots=True)
class Side:
    """What one checkpoint says of itself: the content of its files, and its results by name."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    training_state: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    #: Where each setting that is no default came from; None where the checkpoint does not say.
    sources: Mapping[str, str] | None = None
    #: Whether it knows only a part of its settings (a log does): what it does not name is unknown, not absent.
    partial: bool = False


def side_of(info: BundleInfo, **results: Any) -> Side:
    """A bundle as a side. `results` fill in what the bundle itself does not tell (its log may)."""
    told = results_of(info)
    more = {name: value for name, value in results.items() if value is not None and name not in told}
    sources = info.training_state.get("sources")
    return Side(
        info.name,
        info.config,
        info.training_state,
        told | more,
        tokenizer_of(info.tokenizer),
        info.files,
        {k: str(v) for k, v in sources.items()} if isinstance(sources, dict) else None,
    )


def results_of(info: BundleInfo) -> dict[str, Any]:
    """What came out, as far as the bundle knows: step, losses, gold, parameters, tokens, seconds, bytes."""
    progress, gold = mapping(info.training_state, "progress"), mapping(info.training_state, "gold")
    told = {
        "step": info.step,
        "val_loss": progress.get("val_loss"),
        "val_step": info.val_step if progress.get("val_loss") is not None else None,
        "gold_loss": gold.get("best"),
        "gold_step": gold.get("gold_step"),
        "lowest_loss": gold.get("lowest"),
        "train_loss": progress.get("train_loss"),
        "parameters": real_parameters(info.config),
        "tokens": progress.get("tokens_processed"),
        "trained_s": progress.get("elapsed_s"),
        "size": info.size,
    }
    return {name: value for name, value in told.items() if value is not None}


def real_parameters(config: Mapping[str, Any]) -> int | None:
    """The parameters of the model that this config.json builds; None where it builds none that we know."""
    if not config or config.get("arch", "gpt") not in ARCHS:
        return None
    try:
        number = parameters(GPTConfig.from_dict(config))
    except (MyptError, ArithmeticError, ValueError, TypeError):
        return None
    return number if 0 < number < MOST else None


def tokenizer_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer.json in a few fields: kind, vocabulary, characters, special tokens; large tables as one `content`."""
    rest = dict(state)
    chars = rest.pop("chars", None)
    inner = rest.pop("tokenizer", None)
    specials = rest.pop("special_token_encoder", None)
    by_name = rest.pop("special_tokens_by_name", None)
    told: dict[str, Any] = {}
    if "token_kind" in rest:
        told["token_kind"] = rest.pop("token_kind")
    if isinstance(chars, list):
        told |= {"vocabulary": len(chars), "characters": Cell(chars, text=spelled(chars))}
    elif chars is not None:
        told["characters"] = chars
    if isinstance(inner, dict):
        model = mapping(inner, "model")
        vocabulary, merges = model.get("vocab"), model.get("merges")
        added = inner.get("added_tokens")
        tokens = len(vocabulary) if isinstance(vocabulary, dict | list) else 0
        told["vocabulary"] = tokens
        words = f"{whole(tokens)} tokens, {whole(len(merges) if isinstance(merges, list) else 0)} merges"
        told["content"] = Cell(inner, text=words)
        if isinstance(added, list):
            told["special_tokens"] = Cell(added, text=whole(len(added)))
    elif inner is not None:
        told["content"] = inner
    elif isinstance(rest.get("base_vocab_size"), int):
        told["vocabulary"] = rest["base_vocab_size"] + (len(specials) if isinstance(specials, dict) else 0)
    if specials is not None:
        many = whole(len(specials)) if isinstance(specials, dict) else ""
        told["special_tokens"] = Cell(specials, text=many)
    if by_name is not None and not isinstance(by_name, dict):
        told["special_tokens_by_name"] = by_name
    return told | rest


def mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object called `name` in `values`; an empty one where there is none."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}
