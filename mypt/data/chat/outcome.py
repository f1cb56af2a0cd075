"""What came of a preparation: the metadata beside the files, and what people should know of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from mypt.data.chat.writer import EpisodeWriter
from mypt.data.episode_files import SCHEMA
from mypt.data.prepare.inputs import Source
from mypt.data.prepare.request import PrepareRequest
from mypt.text import count, whole
from mypt.tokenizers import CHAT_TOKENS, Tokenizer
from mypt.version import VERSION


class Sides(NamedTuple):
    """The writers of both sides of a dataset."""

    train: EpisodeWriter
    val: EpisodeWriter


def metadata(
    request: PrepareRequest, files: list[Source], tokenizer: Tokenizer, sides: Sides
) -> dict[str, Any]:
    """What the original writes, as far as it means something here, and the type of the tokens."""
    length, chat = request.chat.pack_block_size, request.chat
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "has_loss_mask": True,
        "dtype": "uint32",
        "num_conversations": sum(side.conversations for side in sides),
    }
    for name, side in zip(sides._fields, sides, strict=True):
        data |= {
            f"num_{name}_conversations": side.conversations,
            f"num_{name}_episodes": side.episodes,
            f"num_{name}_tokens": side.stored,
            f"num_{name}_shards": side.shards,
            f"num_{name}_mask_tokens": side.learned,
            f"{name}_mask_ratio": side.learned / side.stored if side.stored else 0.0,
        }
    shown = {
        side: [request.shown(Path(f.path)) for f in files if f.val is (side == "val")]
        for side in sides._fields
    }
    tags = tokenizer.to_dict().get("special_tokens_by_name")
    data |= {
        "tokenization": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "tokens_per_shard": request.tokens_per_shard,
        "special_tokens_used": list(tags or CHAT_TOKENS),
        "prepare_mode": "separate_val" if request.val_files else "val_split",
        "val_only": not sides.train.conversations,
        "source_train_file": ", ".join(shown["train"]),
        "source_val_file": ", ".join(shown["val"]) or None,
        "val_split": None if request.val_files else request.val_fraction,
        "seed": request.seed,
        "skip_system_prompt": chat.system_prompt == "",
        "system_prompt_override": chat.system_prompt or None,
        "packing_enabled": length is not None,
        "prepared_by": f"mypt {VERSION}",
    }
    if length is not None:
        data |= {
            "pack_block_size": length,
            "original_train_episodes": sides.train.conversations,
            "original_val_episodes": sides.val.conversations,
            "avg_episode_len": _ratio(sides.train.tokens, sides.train.conversations),
            "avg_episodes_per_pack": _ratio(sides.train.conversations, sides.train.episodes),
            "nonpad_ratio": _ratio(sides.train.tokens, sides.train.stored),
        }
    return data


def on_texts(spelled: Counter[str], unused: Counter[str], tokenizer: Tokenizer) -> list[str]:
    """Sentences on tags that messages spell, on fields that nobody reads, and on what a model needs."""
    said = []
    if spelled:
        names = ", ".join(sorted(spelled)[:3]) + (" …" if len(spelled) > 3 else "")
        said.append(f"some messages spell tags ({names}): they are encoded as plain text, never as tags")
    if unused:
        names = ", ".join(f"{name} ({whole(number)})" for name, number in unused.most_common(5))
        said.append(f"fields of messages that nothing is made of: {names}")
    if tokenizer.kind == "bpe":
        said.append(
            f"a model needs vocab_size = {tokenizer.valid_vocab} or more for these tokens, tags included; so does the "
            "base model of a fine-tune"
        )
    return said


def how_it_was_split(request: PrepareRequest, sides: Sides) -> str:
    """How validation was chosen, in a few words."""
    if request.val_files:
        return "as named with --val_file"
    if not (sides.train.conversations and sides.val.conversations):
        return "everything" if sides.val.conversations else "nothing"
    total = sum(side.conversations for side in sides)
    return f"{whole(sides.val.conversations)} of {whole(total)} conversations, drawn with seed {request.seed}"


def on_lengths(request: PrepareRequest, sides: Sides) -> list[str]:
    """Sentences on what sequences will be like, and on a side that is empty."""
    train, length = sides.train, request.chat.pack_block_size
    said = []
    if not sides.val.conversations:
        said.append("no conversation is kept for validation; training needs some")
    if not train.conversations:
        return [*said, "no conversation is left for training: a dataset to evaluate on"]
    mean = _ratio(train.tokens, train.conversations)
    told = f"a conversation has {count(mean)} tokens on average, the longest {whole(train.longest)}"
    if length is None:
        said.append(
            f"{told}; each is a sequence of its own, padded to block_size. --pack_block_size, with the block_size of "
            "the training, puts as many into one as fit"
        )
    else:
        filled = 100 * _ratio(train.tokens, train.stored)
        said.append(f"{told}; {whole(train.episodes)} packs of {length} are filled to {filled:.0f} %")
        if train.longest > length:
            said.append(
                f"conversations of more than {length} tokens are packs of their own, and train on their end"
            )
    return said


def _ratio(part: float, of: float) -> float:
    return part / of if of else 0.0
