"""A line of chat JSONL as a conversation, or everything that is wrong with it.

    {"messages": [{"role": "system|user|assistant", "content": "…"}, …]}

The original's form is read too: a `system` text beside the messages, `context` with what a user says, `think` and
`cite` with what an assistant says, and messages of the role `assistant_context`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mypt.data.prepare.jsonl import APART, HALVES, MESSAGES, TEXT, Fault, has_halves, load
from mypt.tokenizers.chat import Message

ROLES = ("system", "user", "assistant", "assistant_context")
# A message's further texts, and who may have them.
_EXTRAS = {"context": "user", "think": "assistant", "cite": "assistant"}
_CALLS = ("tool_calls", "function_call")


class Line(NamedTuple):
    """What a line holds. With `faults` the messages are incomplete; `unused` are names of fields nobody reads."""

    messages: list[Message]
    faults: list[Fault]
    unused: frozenset[str] = frozenset()


def parse(raw: bytes, *, system_prompt: str | None = None) -> Line:
    """The conversation in a line of bytes. `system_prompt` stands in for its system message; "" leaves it out."""
    data = load(raw, _FORM)
    if isinstance(data, Fault):
        return Line([], [data])
    raw_messages = data.get("messages")
    if raw_messages is None and isinstance(data.get(TEXT), str):
        return Line([], [Fault(f"is missing, and {TEXT} is there: no conversation", MESSAGES, remedy=APART)])
    if not isinstance(raw_messages, list) or not raw_messages:
        what = "is missing" if raw_messages is None else "must be a list of messages, and not empty"
        return Line([], [Fault(what, "messages", remedy=_FORM)])
    reader = _Reader()
    for number, message in enumerate(raw_messages):
        reader.read(message, f"messages[{number}]")
    return reader.line(data.get("system"), system_prompt)


_FORM = 'a line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'


class _Reader:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.faults: list[Fault] = []
        self.unused: set[str] = set()

    def read(self, message: Any, place: str) -> None:
        """Take a message in, or note what is wrong with it."""
        if not isinstance(message, dict):
            self._fault("must be an object with role and content", place, message)
            return
        role = message.get("role")
        if role not in ROLES:
            self._wrong_role(role, place)
            return
        if role == "system" and self.messages:
            self._fault("a system message must be the first", f"{place}.role")
        for name in _CALLS:
            if message.get(name):
                self._fault(
                    "tool calls cannot be learned", f"{place}.{name}", remedy="leave the conversation away"
                )
        content = self._text(message, "content", place, required=role != "system")
        extras = {
            name: self._text(message, name, place)
            for name, of in _EXTRAS.items()
            if of == role and name in message
        }
        known = {"role", "content", *_CALLS, *extras}
        self.unused |= {name for name, value in message.items() if name not in known and value is not None}
        if role != "system" or content:
            self.messages.append(Message(role, content, **extras))

    def line(self, system: Any, instead: str | None) -> Line:
        """All of it, with the system message of the line, or the one that stands in for it, in front."""
        own = self.messages[0].content if self.messages and self.messages[0].role == "system" else None
        if system is not None and not isinstance(system, str):
            self._fault("must be a text", "system", system)
        elif system and has_halves(system):
            self._fault(HALVES, "system")
        elif system and own is not None and system != own and instead is None:
            self._fault(
                "stands beside a system message that says something else", "system", remedy="keep one"
            )
        if not self.faults and not any(message.role == "assistant" for message in self.messages):
            self._fault("has no assistant message, so there is nothing to learn", "messages")
        if self.faults:
            return Line([], self.faults)
        rest = self.messages[1:] if own is not None else self.messages
        first = instead if instead is not None else own or system
        return Line([Message("system", first), *rest] if first else rest, [], frozenset(self.unused))

    def _wrong_role(self, role: Any, place: str) -> None:
        if role is None:
            self._fault("is missing", f"{place}.role", remedy=f"known: {', '.join(ROLES)}")
            return
        tools = (
            "; what tools say cannot be learned from" if role in ("tool", "function", "toolresult") else ""
        )
        self._fault("is not a role", f"{place}.role", role, remedy=f"known: {', '.join(ROLES)}{tools}")

    def _text(self, message: dict[str, Any], name: str, place: str, *, required: bool = False) -> str:
        value = message.get(name)
        if value is None and not required:
            return ""
        if value is None:
            self._fault("is missing", f"{place}.{name}")
        elif not isinstance(value, str):
            self._fault("must be a text", f"{place}.{name}", value)
        elif required and not value.strip():
            self._fault("is empty", f"{place}.{name}")
        elif has_halves(value):
            self._fault(HALVES, f"{place}.{name}")
        else:
            return value
        return ""

    def _fault(self, message: str, field: str, *value: object, remedy: str = "") -> None:
        self.faults.append(Fault(message, field, value, remedy))
