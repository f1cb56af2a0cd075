"""Predictions of a classifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.classify.encode import encode
from mypt.classify.model import Classifier, load_classifier
from mypt.classify.spec import Spec, spec_of
from mypt.classify.split import TextSplit
from mypt.errors import Problem, UserError
from mypt.estimate import parameters
from mypt.memory import telling
from mypt.settings.model_config import GPTConfig
from mypt.text import size
from mypt.tokenizers import Tokenizer, from_dict
from mypt.training.batches import on_device
from mypt.training.numerics import pick_device

BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier makes of a text: its class, and the probability of each. `cut`: of a part of the text only."""

    label: str
    probabilities: dict[str, float]
    cut: bool = False

    @property
    def probability(self) -> float:
        """That of the class."""
        return self.probabilities[self.label]


@dataclass(eq=False)
class LoadedClassifier:
    """A classifier with its model (float32, in eval mode) and its tokenizer."""

    info: BundleInfo
    model: Classifier
    tokenizer: Tokenizer
    spec: Spec

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes."""
        return self.spec.classes

    def classify(
        self, texts: Sequence[str | Sequence[str]], *, batch_size: int = BATCH_SIZE
    ) -> list[Prediction]:
        """A prediction for each of `texts`; where the classifier judges pairs, each is a pair.

        Raises `UserError` for texts that are empty, no pairs, or hold characters that the vocabulary lacks; nothing
        about one text depends on the others.
        """
        return list(self.predictions(texts, batch_size=batch_size))

    def predictions(
        self, texts: Sequence[str | Sequence[str]], *, batch_size: int = BATCH_SIZE
    ) -> Iterator[Prediction]:
        """`classify`, as they come."""
        rows = [self._row(number, text) for number, text in enumerate(texts, start=1)]
        limit = self.model.config.block_size
        for first in range(0, len(rows), batch_size):
            part = [encode(row, self.tokenizer, self.spec, limit) for row in rows[first : first + batch_size]]
            split = TextSplit([ids for ids, _ in part], [0] * len(part), whole=True)
            batch = on_device(split.gather(np.arange(len(part)), limit), str(self.model.device))
            with torch.no_grad(), telling(_too_large(self.info, self.model.num_parameters())):
                logits, _ = self.model(batch.x, None, batch.mask)
                chances = logits.softmax(-1).tolist()
            for values, (_, cut) in zip(chances, part, strict=True):
                best = max(range(len(values)), key=values.__getitem__)
                yield Prediction(self.classes[best], dict(zip(self.classes, values, strict=True)), cut)

    def _row(self, number: int, text: str | Sequence[str]) -> tuple[str, ...]:
        row = (text,) if isinstance(text, str) else tuple(text)
        columns = self.spec.text_columns
        if len(row) != len(columns):
            message = f"text {number}: {len(columns)} are wanted ({', '.join(columns)}), here are {len(row)}"
            raise UserError(Problem(message, where=self.info.name))
        for each, column in zip(row, columns, strict=True):
            if not each.strip():
                raise UserError(Problem(f"text {number} is empty", where=self.info.name, field=column))
            if lacking := self.tokenizer.unknown(each):
                named = " ".join(repr(char) for char in lacking[:20]) + (" …" if len(lacking) > 20 else "")
                message = f"text {number} holds characters that the model's vocabulary lacks: {named}"
                raise UserError(Problem(message, where=self.info.name, field=column))
        return row


def open_classifier(info: BundleInfo, device: str = "cpu") -> LoadedClassifier:
    """The classifier of a bundle, on `device`. Raises `UserError` where it is none or is damaged, `RunError` where
    memory does not hold it.
    """
    spec, place = spec_of(info), pick_device(device)
    tokenizer = from_dict(info.tokenizer, where=f"{info.name}/{bundle.TOKENIZER}")
    tokenizer.check_ready()
    config = GPTConfig.from_dict(info.config, where=f"{info.name}/{bundle.CONFIG}")
    with telling(_too_large(info, parameters(config))):
        model = load_classifier(info, config).to(place).eval()
    model.config.device = place
    return LoadedClassifier(info, model, tokenizer, spec)


def _too_large(info: BundleInfo, numbers: int) -> str:
    return (
        f"out of memory: the weights of {info.name} take {size(4 * numbers)}, and texts some more. Close other programs, "
        "lower --batch_size, or name another device"
    )
