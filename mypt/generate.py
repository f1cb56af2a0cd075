"""Text from a model, a token at a time.

Sampling has a generator of its own, so that showing a sample never disturbs training. Past the context the window
slides: when `block_size` tokens are in it, the newest half (rounded up) is kept and read in again, which costs one
prefill every half context instead of one every token. The window is the same with a cache and without.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict, Unpack

import torch
from torch import Tensor

from mypt.errors import Problem, RunError, UserError
from mypt.model import KVCache, LanguageModel

#: What bytes that are not (yet) a character decode to.
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
#: Tokens decoded in one go, so that a long text costs no more a token than a short one.
_DECODED_TOGETHER = 16


class TextCodec(Protocol):
    """The part of a tokenizer that generation needs."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`, with U+FFFD for bytes that are no whole character."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. Raises `UserError`, with all problems, for values that mean nothing."""

    #: Divides the logits; 0 takes the most likely token.
    temperature: float = 1.0
    #: Draw only from the k most likely tokens.
    top_k: int | None = None
    #: Draw only from the fewest tokens whose probabilities reach p together.
    top_p: float | None = None
    #: Above 1, tokens that are already in the text become less likely (Keskar et al. 2019).
    repetition_penalty: float = 1.0
    #: Ids from here on are never drawn: rows of the head that no token belongs to.
    valid_vocab: int | None = None

    def __post_init__(self) -> None:
        checks = (
            ("temperature", 0 <= self.temperature < float("inf"), "must be 0 or more"),
            ("top_k", self.top_k is None or self.top_k >= 1, "must be at least 1"),
            ("top_p", self.top_p is None or 0 < self.top_p <= 1, "must be above 0 and at most 1"),
            ("repetition_penalty", 0 < self.repetition_penalty < float("inf"), "must be above 0"),
            ("valid_vocab", self.valid_vocab is None or self.valid_vocab >= 1, "must be at least 1"),
        )
        problems = [
            Problem(text, where="sampling", field=name, value=getattr(self, name))
            for name, ok, text in checks
            if not ok
        ]
        if problems:
            raise UserError(*problems)

    def distribution(self, logits: Tensor, seen: Collection[int] = ()) -> Tensor:
        """Probabilities (V,) on the CPU for one row of `logits` (V,), after the tokens `seen`."""
        scores = logits.detach().to("cpu", torch.float32, copy=True)
        if self.valid_vocab is not None:
            scores[self.valid_vocab :] = -torch.inf
        if self.repetition_penalty != 1.0 and seen:
            ids = torch.tensor(sorted(set(seen)))
            held = scores[ids]
            scores[ids] = torch.where(
                held > 0, held / self.repetition_penalty, held * self.repetition_penalty
            )
        if self.temperature == 0:
            return torch.zeros_like(scores).index_fill_(0, scores.argmax(), 1.0)
        # Subtracting the largest first keeps a tiny temperature from overflowing.
        scores = (scores - scores.max()) / self.temperature
        if self.top_k is not None and self.top_k < scores.numel():
            keep = scores.topk(self.top_k).indices
            scores = torch.full_like(scores, -torch.inf).index_copy_(0, keep, scores[keep])
        probabilities = scores.softmax(0)
        if self.top_p is not None and self.top_p < 1:
            ordered, order = probabilities.sort(descending=True, stable=True)
            # A token stays while those before it do not reach p yet, so the first always does.
            beyond = ordered.cumsum(0) - ordered >= self.top_p
            probabilities[order[beyond]] = 0.0
            probabilities /= probabilities.sum()
        return probabilities


class Options(TypedDict, total=False):
    """What `sample_tokens` takes beside the model and the ids."""

    max_new_tokens: int
    temperature: float
    top_k: int | None
    top_p: float | None
    repetition_penalty: float
    seed: int | None
    valid_vocab: int | None
    use_cache: bool
    stops: Sequence[Sequence[int]]


def sample_tokens(
    model: LanguageModel,
    ids: Sequence[int],
    *,
    max_new_tokens: int = 300,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    seed: int | None = None,
    valid_vocab: int | None = None,
    use_cache: bool = True,
    stops: Sequence[Sequence[int]] = (),
) -> Iterator[int]:
    """The tokens that follow `ids`, each as soon as it is drawn and can be no part of a stop.

    Each of `stops` is a run of ids that ends the text and is not given out. The same `seed` gives the same tokens;
    None draws a new one. The model's train or eval mode is as before whenever this waits. Raises `UserError` at once
    for bad values, an empty prompt or ids that the model has no row for.
    """
    how = Sampling(temperature, top_k, top_p, repetition_penalty, valid_vocab)
    vocab = model.config.vocab_size
    if not ids:
        raise UserError(Problem("the prompt has no tokens", where="sampling", field="prompt"))
    if max_new_tokens < 0:
        raise UserError(
            Problem("must be 0 or more", where="sampling", field="max_new_tokens", value=max_new_tokens)
        )
    if seed is not None and not 0 <= seed < 1 << 63:
        raise UserError(Problem("must be from 0 to 2^63 - 1", where="sampling", field="seed", value=seed))
    if not all(0 <= token < vocab for token in ids):
        wrong = next(token for token in ids if not 0 <= token < vocab)
        message = f"the model has tokens 0 to {vocab - 1}"
        raise UserError(Problem(message, where="sampling", field="prompt", value=wrong))
    # Checked above, before the first token is asked for: a generator function would wait until then.
    return until(_stream(model, list(ids), max_new_tokens, how, seed, use_cache), stops)


def generate_text(
    model: LanguageModel, tokenizer: TextCodec, ids: Sequence[int], **options: Unpack[Options]
) -> Iterator[str]:
    """Pieces of the text that follows the prompt `ids` (which is not repeated), in whole characters.

    `options` are those of `sample_tokens`; `mypt.prompts` makes ids of text.
    """
    return stream_text(tokenizer, ids, sample_tokens(model, ids, **options))


def until(tokens: Iterator[int], stops: Sequence[Sequence[int]]) -> Iterator[int]:
    """`tokens` up to the first of `stops`; what may still become one is kept back until it cannot any longer."""
    endings = [tuple(stop) for stop in stops if stop]
    beginnings = {ending[:length] for ending in endings for length in range(1, len(ending))}
    longest = max(map(len, endings), default=1)
    held: list[int] = []
    for token in tokens:
        held.append(token)
        for ending in endings:
            if tuple(held[-len(ending) :]) == ending:
                yield from held[: -len(ending)]
                return
        kept = next((n for n in range(longest - 1, 0, -1) if tuple(held[-n:]) in beginnings), 0)
        while len(held) > kept:
            yield held.pop(0)
    yield from held


def stream_text(tokenizer: TextCodec, prompt: Sequence[int], tokens: Iterator[int]) -> Iterator[str]:
    """The text that `tokens` add after the ids `prompt`, in pieces of whole characters.

    Tokens are decoded together with those before them, since some tokenizers write a space only between tokens.
    """
    ids = list(prompt[-1:])
    shown = len(tokenizer.decode(ids))
    text = ""
    for token in tokens:
        ids.append(token)
        text = tokenizer.decode(ids)
        whole = text.rstrip(_INCOMPLETE)
        if len(whole) > shown:
            yield whole[shown:]
            shown = len(whole)
        if len(ids) > _DECODED_TOGETHER and whole == text:
            last = tokenizer.decode(ids[-1:])
            if _INCOMPLETE not in last:
                ids, shown, text = ids[-1:], len(last), ""
    if len(text) > shown:
        yield text[shown:]


def _stream(
    model: LanguageModel,
    ids: list[int],
    max_new_tokens: int,
    how: Sampling,
    seed: int | None,
    use_cache: bool,
) -> Iterator[int]:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    limit = model.config.block_size
    window, seen = ids[-limit:], set(ids)
    cache = KVCache(min(limit, len(window) + max_new_tokens)) if use_cache else None
    for _ in range(max_new_tokens):
        if len(window) > limit:
            window = window[-((limit + 1) // 2) :]
            if cache is not None:
                cache.clear()
        logits = _next_logits(model, window, cache)
        if not logits.isfinite().all():
            raise RunError("the model's output is not a finite number: its weights are damaged")
        token = int(torch.multinomial(how.distribution(logits, seen), 1, generator=generator))
        seen.add(token)
        window.append(token)
        yield token


def _next_logits(model: LanguageModel, window: list[int], cache: KVCache | None) -> Tensor:
    """Logits (V,) after `window`, of which `cache` holds a beginning."""
    training = model.training
    if training:
        model.eval()
    try:
        with torch.no_grad():
            if cache is None:
                logits: Tensor = model(torch.tensor([window], device=model.device))[0]
                return logits[0, -1]
            return model.step(torch.tensor([window[cache.length :]], device=model.device), cache)[0]
    finally:
        if training:
            model.train()
