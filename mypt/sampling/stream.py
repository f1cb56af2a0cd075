"""One text as it is written: drawn a token at a time, sent in whole characters, ended between two tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mypt import prompts
from mypt.memory import telling
from mypt.prompts import Prompt
from mypt.sampling.protocol import Begun, Ended, Piece, Write
from mypt.text import whole

if TYPE_CHECKING:
    from mypt.api.bundles import LoadedBundle

# A person sees no difference, and a fast model's single letters would keep the reader busy.
_TOGETHER_S = 0.03


class _CancelledError(Exception):
    """Somebody asked for no more."""


class Stream:
    """A text that is being written with `bundle`, as `ask` wants it.

    Raises `UserError` at once for what cannot be begun with: characters that the vocabulary lacks, bad settings.
    """

    def __init__(
        self,
        ask: Write,
        bundle: LoadedBundle,
        say: Callable[[Begun | Piece | Ended], object],
        cancelled: Callable[[], bool],
    ) -> None:
        from mypt.generate import sample_tokens, stream_text, until

        self.id = ask.id
        self._say = say
        self._is_cancelled = cancelled
        self._name = bundle.info.name
        self._tokens = 0
        self._first_at = self._sent_at = 0.0
        self._held = ""
        self._exhausted = False
        prompt, notes = _prompt(ask, bundle)
        s = ask.settings
        # Stops are looked for outside of what is counted, so that a token that may be a part of one can be cancelled too.
        drawn = sample_tokens(
            bundle.model,
            prompt.ids,
            max_new_tokens=s.max_new_tokens,
            temperature=s.temperature,
            top_k=s.top_k,
            top_p=s.top_p,
            repetition_penalty=s.repetition_penalty,
            seed=s.seed,
            valid_vocab=min(bundle.tokenizer.valid_vocab, bundle.config.vocab_size),
        )
        tokens = until(self._counted(drawn), prompt.stops)
        self._pieces = stream_text(bundle.tokenizer, prompt.ids, tokens)
        say(Begun(id=ask.id, step=bundle.info.step, chat=prompt.answer, notes=notes))

    def step(self) -> bool:
        """Write on until there is a piece; False when the text is complete. Raises `RunError` where it cannot go on."""
        try:
            with telling(
                f"out of memory while {self._name} wrote; write less at once, or close other programs"
            ):
                piece = next(self._pieces, None)
        except _CancelledError:
            self._end("cancelled")
            return False
        if piece is None:
            self._end("length" if self._exhausted else "end")
            return False
        self._held += piece
        if time.monotonic() - self._sent_at >= _TOGETHER_S:
            self._send()
        return True

    def _counted(self, drawn: Iterator[int]) -> Iterator[int]:
        while not self._is_cancelled():
            token = next(drawn, None)
            if token is None:
                self._exhausted = True
                return
            self._tokens += 1
            if self._tokens == 1:
                self._first_at = time.monotonic()
            yield token
        raise _CancelledError

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._first_at if self._tokens else 0.0

    def _send(self) -> None:
        if self._held:
            self._sent_at = time.monotonic()
            self._say(Piece(id=self.id, text=self._held, tokens=self._tokens, seconds=self._seconds))
            self._held = ""

    def _end(self, why: str) -> None:
        self._send()
        self._say(Ended(id=self.id, why=why, tokens=self._tokens, seconds=self._seconds))


def _prompt(ask: Write, bundle: LoadedBundle) -> tuple[Prompt, list[str]]:
    """The tokens to go on from, and sentences on what one might not expect of them."""
    info, tokenizer = bundle.info, bundle.tokenizer
    answers = prompts.is_chat_model(info.config, tokenizer) if ask.chat is None else ask.chat
    if answers:
        prompt = prompts.chat(tokenizer, ask.prompt, system=ask.system, model=info.name)
    else:
        prompt = prompts.plain(tokenizer, ask.prompt, model=info.name)
    notes = []
    if ask.system and not answers:
        notes.append("what the system says is only told to a model that answers")
    context = bundle.config.block_size
    if len(prompt.ids) > context:
        notes.append(
            f"the prompt has {whole(len(prompt.ids))} tokens, of which the model sees the last {whole(context)}"
        )
    return prompt, notes
