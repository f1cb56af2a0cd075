"""What is done with a span of lines, here or in a worker process: look at every line, then encode them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mypt.data.chat.messages import Line, parse
from mypt.data.prepare import reading
from mypt.data.prepare.faults import Faults
from mypt.data.prepare.jsonl import Fault
from mypt.data.prepare.plan import Span
from mypt.text import size
from mypt.tokenizers import ChatEncoder, Message, Tokenizer
from mypt.tokenizers.chat import spelled_tags

#: A conversation above this is a broken file, and would not fit into a bounded memory.
LONGEST_LINE = 64 << 20


class Reading(NamedTuple):
    """How lines are read: which text stands in for system messages, and whether tags must not be spelled in texts."""

    system_prompt: str | None
    no_tags: bool
    seed: int


@dataclass
class Scanned:
    """What a span of lines holds. `hashes`, uint64, has one number for each conversation that is right, in order."""

    lines: int = 0
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    faults: Faults = field(default_factory=Faults)
    characters: set[str] = field(default_factory=set)
    unused: Counter[str] = field(default_factory=Counter)
    """Messages' fields that nobody reads, with the conversations that have them."""
    spelled: Counter[str] = field(default_factory=Counter)
    """Tags that are spelled in texts, with the conversations that do."""


class Conversations(NamedTuple):
    """The tokens of a span's conversations, one behind the other, uint32, and which of them are learned, uint8."""

    ids: npt.NDArray[np.uint32]
    learned: npt.NDArray[np.uint8]
    lengths: list[int]


def scan(how: Reading, span: Span) -> Scanned:
    """Look at every line of `span`."""
    found = Scanned()
    hashes: list[int] = []
    for number, (_, _, raw) in enumerate(reading.lines(span, LONGEST_LINE)):
        found.lines = number + 1
        if not raw.strip():
            continue
        line = _parse(how, raw)
        if line.faults:
            found.faults.add(number, line.faults)
            continue
        found.unused.update(line.unused)
        texts = list(_texts(line.messages))
        found.spelled.update({tag for text in texts for tag in spelled_tags(text)})
        found.characters.update(*texts)
        key = blake2b(raw.strip(), digest_size=8, key=how.seed.to_bytes(8, "little"))
        hashes.append(int.from_bytes(key.digest(), "little"))
    found.hashes = np.array(hashes, np.uint64)
    return found


def encode(setup: tuple[Tokenizer, Reading], span: Span) -> Conversations:
    """The tokens of every conversation in `span`, which `scan` found to be right."""
    tokenizer, how = setup
    encoder = ChatEncoder(tokenizer)
    ids: list[npt.NDArray[np.uint32]] = []
    learned: list[npt.NDArray[np.uint8]] = []
    lengths: list[int] = []
    for _, _, raw in reading.lines(span, LONGEST_LINE):
        if not raw.strip():
            continue
        line = _parse(how, raw)
        if line.faults:
            raise reading.changed(span.file)
        made = encoder.encode(line.messages)
        ids.append(np.array(made.ids, np.uint32))
        learned.append(np.array(made.learned, np.uint8))
        lengths.append(len(made.ids))
    nothing = [np.zeros(0, np.uint32)]
    return Conversations(
        np.concatenate(ids or nothing), np.concatenate(learned or [np.zeros(0, np.uint8)]), lengths
    )


def _parse(how: Reading, raw: bytes) -> Line:
    if len(raw) > LONGEST_LINE:
        return Line([], [Fault(f"is longer than {size(LONGEST_LINE)}", remedy="one conversation a line")])
    line = parse(raw, system_prompt=how.system_prompt)
    if how.no_tags and not line.faults:
        tags = sorted({tag for text in _texts(line.messages) for tag in spelled_tags(text)})
        faults = [
            Fault(
                f"spells {tag}, which characters cannot tell from the tag itself",
                "messages",
                remedy="write it in another way, or use --tokenization gpt2",
            )
            for tag in tags
        ]
        return line if not faults else Line([], faults)
    return line


def _texts(messages: list[Message]) -> Iterator[str]:
    for message in messages:
        yield from (message.content, message.context, message.think, message.cite)
