"""What the model writes while it is trained: a fixed prompt gone on from, so that samples can be compared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from mypt.data.split import key_of
from mypt.generate import sample_tokens
from mypt.prompts import beginning
from mypt.tokenizers import Tokenizer
from mypt.training.engine import Engine
from mypt.training.stopping import StopFlag

TEMPERATURE = 0.8


def sampler_of(
    engine: Engine, tokenizer: Tokenizer, stop: StopFlag
) -> Callable[[], tuple[str, str] | None] | None:
    """A function that draws (prompt, text), with the same seed every time; None where the run wants no samples.

    The function gives None where `stop` is asked for between two tokens.
    """
    s = engine.settings
    if s.sample_interval == 0:
        return None
    prompt = "".join(c for c in s.sample_prompt if c not in set(tokenizer.unknown(s.sample_prompt)))
    begin = beginning(engine.model.config.to_dict(), tokenizer)
    ids = [*begin, *tokenizer.encode(prompt)]
    if not ids:
        # Any beginning is better than no sample, so token 0 where there is no line break.
        ids = ([] if tokenizer.unknown("\n") else tokenizer.encode("\n")) or [0]

    def draw() -> tuple[str, str] | None:
        drawn: list[int] = []
        # A CPU builds and keeps a bf16 product for every length of the past: slower, and far more memory.
        on_cpu = engine.numerics.kind == "cpu"
        with contextlib.nullcontext() if on_cpu else engine.numerics.autocast():
            for token in sample_tokens(
                engine.model,
                ids,
                max_new_tokens=s.sample_tokens,
                temperature=TEMPERATURE,
                seed=key_of(s.seed, "sample") >> 1,
                valid_vocab=min(tokenizer.valid_vocab, engine.model.config.vocab_size),
            ):
                drawn.append(token)
                if stop.asked():
                    return None
        return prompt, tokenizer.decode(drawn)

    return draw
