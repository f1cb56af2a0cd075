"""What is said between the process that samples and whoever asks it: JSON lines, a message each. No torch.

Requests go to its standard input, reports come from its standard output. Every text has an id that the asker chooses;
several may be written at once, and their pieces come interleaved.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mypt.sampling.settings import Settings


class Request(msgspec.Struct, kw_only=True, tag_field="ask"):
    """What the process is asked."""


class Load(Request, tag="load"):
    """Have this checkpoint ready: a bundle's name or path. One that has changed on disk since is loaded again.

    `device` is auto, cpu, cuda, cuda:1 or mps. Answered by `Loading` where it takes time, and `Ready` or `Failed`.
    """

    model: str
    device: str = "auto"


class Write(Request, tag="write"):
    """Go on from `prompt`, with `model` as it is loaded (it is loaded where it is not).

    `chat` takes the prompt for what a user says, after what `system` says; None: where the model was trained to answer.
    Answered by `Begun`, any number of `Piece`, and `Ended` or `Failed`.
    """

    id: str
    model: str
    prompt: str = ""
    chat: bool | None = None
    system: str = ""
    settings: Settings = Settings()


class Cancel(Request, tag="cancel"):
    """Write no more of this text: it ends before its next token."""

    id: str


class Drop(Request, tag="drop"):
    """This checkpoint is not needed any more; its memory is given back."""

    model: str


class Report(msgspec.Struct, kw_only=True, tag_field="say"):
    """What the process says."""


class Started(Report, tag="started"):
    """It is ready for work. `niceness` is how far it stands back behind other programs (0: as they)."""

    pid: int
    threads: int
    niceness: int = 0


class Loading(Report, tag="loading"):
    """A checkpoint is being read; `parameters` where its config tells."""

    model: str
    parameters: int | None = None


class Ready(Report, tag="ready"):
    """A checkpoint can write. `step` and `modified` (seconds since the epoch) say which one of that name it is.

    `val_loss` is its validation loss where the bundle tells. `answers` says that it was trained to, so that a prompt is
    what a user says unless told otherwise.
    """

    model: str
    device: str
    parameters: int
    context: int
    tokenizer: str
    step: int | None = None
    modified: float = 0.0
    val_loss: float | None = None
    answers: bool = False


class Begun(Report, tag="begun"):
    """A text begins. `notes` are sentences on what one might not expect of it."""

    id: str
    step: int | None = None
    chat: bool = False
    notes: list[str] = []


class Piece(Report, tag="piece"):
    """What is written next, in whole characters. `tokens` were drawn so far, in `seconds` since the first."""

    id: str
    text: str
    tokens: int
    seconds: float


class Ended(Report, tag="ended"):
    """A text is complete. `why` is "end" (the model ended it), "length" or "cancelled"."""

    id: str
    why: str
    tokens: int = 0
    seconds: float = 0.0


class Failed(Report, tag="failed"):
    """A text (`id`) or a checkpoint (`model`) came to nothing; `message` is for people."""

    message: str
    id: str = ""
    model: str = ""


Asked = Load | Write | Cancel | Drop
Told = Started | Loading | Ready | Begun | Piece | Ended | Failed

_encoder = msgspec.json.Encoder()
_asked = msgspec.json.Decoder(Asked)
_told = msgspec.json.Decoder(Told)


def to_line(message: Asked | Told) -> bytes:
    """A message as a line, with its end."""
    try:
        return _encoder.encode(message) + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair, as a vocabulary may hold one, has no UTF-8: it is spelled out.
        spelled = {
            name: value.encode("utf-8", "backslashreplace").decode()
            for name, value in msgspec.structs.asdict(message).items()
            if isinstance(value, str)
        }
        return _encoder.encode(msgspec.structs.replace(message, **spelled)) + b"\n"


def read_request(line: bytes) -> Asked:
    """The request in a line. Raises `msgspec.DecodeError` (`ValidationError` among them) where it is none."""
    request: Asked = _read(_asked, line)
    return request


def read_report(line: bytes) -> Told:
    """The report in a line. Raises `msgspec.DecodeError` where it is none."""
    report: Told = _read(_told, line)
    return report


def _read(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        raise
    except (RecursionError, ValueError) as error:
        # Brackets in thousands of brackets, or a name with half a surrogate pair, which has no UTF-8.
        raise msgspec.DecodeError(str(error)) from None


def speed(tokens: int, seconds: float) -> float | None:
    """Tokens a second, of which the first was there at second 0; None before there are two."""
    return (tokens - 1) / seconds if tokens > 1 and seconds > 0 else None
