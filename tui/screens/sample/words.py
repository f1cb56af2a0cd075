"""What goes on, in a few words each: for borders, for the first line, and for the line below a text. No Textual."""

from __future__ import annotations

from collections.abc import Collection

from mypt.bundle import Kind, split_name
from mypt.sampling.protocol import speed
from mypt.sampling.settings import Settings
from mypt.text import count, printable, whole
from tui.names import shortened
from tui.screens.sample.talk import Answer, Phase, Side, Talk

_LEAST_NAME = 8


def title(name: str, among: Collection[str] = (), width: int | None = None) -> str:
    """A bundle's name as people say it: `tales ★ gold`; in `width` cells the model's is told apart from those `among` which it is seen."""
    kind = split_name(name)[1]
    end = f" {'★ ' if kind is Kind.GOLD else ''}{kind.value}"
    shown = _model(name)
    if width is not None:
        room = max(width - len(end), _LEAST_NAME)
        shown = shortened({shown, *map(_model, among)}, room)[shown]
    return shown + end


def _model(name: str) -> str:
    return printable(split_name(name)[0], newline=False)


def state_words(side: Side, talk: Talk) -> str:
    """What this side is doing, in a few words."""
    answer = side.writing
    if talk.gone is not None:
        return "the model process ended"
    if side.phase is Phase.FAILED:
        return "cannot be loaded"
    if talk.started is None:
        return "the model process starts …"
    if side.phase is Phase.LOADING:
        what = f"loading {count(side.parameters)} parameters …" if side.parameters else "loading …"
        return f"{what} {talk.said}".rstrip()
    if answer is not None:
        if answer.stopping:
            return "stopping …"
        if not answer.tokens:
            return "reading the prompt …" if answer.begun else "waits for its turn …"
        rate = speed(answer.tokens, answer.seconds)
        said = f" {count(rate)} tok/s" if rate else ""
        return f"writing{said} · {whole(answer.tokens)} of {whole(answer.settings.max_new_tokens)}"
    if side.ready is not None:
        if side.missing:
            return "no longer on disk; what is in memory writes"
        return f"ready · {count(side.ready.parameters)} parameters on {side.ready.device}"
    return "waits …"


def process_words(talk: Talk) -> str:
    """The process, in a few words."""
    if talk.gone is not None:
        return "model process: ended"
    if talk.started is None:
        return "model process: starting"
    threads = talk.started.threads
    back = f", nice {talk.started.niceness}" if talk.started.niceness else ""
    return f"model process: {threads} thread{'s' * (threads != 1)}{back}"


def ending_words(answer: Answer) -> str:
    """One line below a complete text: what it was drawn with, how long it is, how fast it came, why it ends."""
    said = [] if answer.step is None else [f"step {whole(answer.step)}"]
    if answer.settings.seed is not None:
        said.append(f"seed {answer.settings.seed}")
    said += _unusual(answer.settings)
    if answer.chat:
        said.append("chat")
    said.append(f"{whole(answer.tokens)} token{'s' * (answer.tokens != 1)}")
    rate = speed(answer.tokens, answer.seconds)
    if rate:
        said.append(f"{count(rate)} tok/s")
    why = {"end": "the model ended it", "cancelled": "stopped", "length": "", "failed": "failed"}
    said.append(why.get(answer.why, ""))
    return " · ".join(part for part in said if part)


def summary(settings: Settings, *, chat: str = "auto", same_seed: bool = True, sides: int = 1) -> str:
    """The settings in one line."""
    said = [f"temperature {settings.temperature:g}"]
    if settings.top_k is not None:
        said.append(f"top_k {settings.top_k}")
    if settings.top_p is not None:
        said.append(f"top_p {settings.top_p:g}")
    if settings.repetition_penalty != 1:
        said.append(f"penalty {settings.repetition_penalty:g}")
    said.append(f"{whole(settings.max_new_tokens)} tokens")
    said.append("any seed" if settings.seed is None else f"seed {settings.seed}")
    if sides > 1:
        said.append("same for both" if same_seed else "another for the second")
    said.append(f"chat {chat}")
    return " · ".join(said)


def _unusual(settings: Settings) -> list[str]:
    usual = Settings()
    names = (
        ("temperature", "temp"),
        ("top_k", "top_k"),
        ("top_p", "top_p"),
        ("repetition_penalty", "penalty"),
    )
    return [
        f"{short} {getattr(settings, name):g}"
        for name, short in names
        if getattr(settings, name) != getattr(usual, name)
    ]
