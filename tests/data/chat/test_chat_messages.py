from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.data.chat.messages import ROLES, parse
from mypt.tokenizers import Message

USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}


def line(*messages: Any, **fields: Any) -> bytes:
    return json.dumps({"messages": list(messages), **fields}).encode()


def faults(raw: bytes) -> list[str]:
    found = parse(raw)
    assert found.faults and not found.messages
    return [": ".join(part for part in (fault.field, fault.message) if part) for fault in found.faults]


def roles(raw: bytes, **how: Any) -> list[tuple[str, str]]:
    found = parse(raw, **how)
    assert not found.faults
    return [(message.role, message.content) for message in found.messages]


def test_messages_in_their_order() -> None:
    raw = line({"role": "system", "content": "Be kind."}, USER, ANSWER, USER, ANSWER)
    assert [role for role, _ in roles(raw)] == ["system", "user", "assistant", "user", "assistant"]


def test_the_originals_further_texts() -> None:
    raw = line(
        {**USER, "context": "a note"},
        {**ANSWER, "think": "hm", "cite": "book"},
        {"role": "assistant_context", "content": "3 files"},
        system="You are MyPT.",
        source="fixture",
    )
    assert parse(raw).messages == [
        Message("system", "You are MyPT."),
        Message("user", "Hi", context="a note"),
        Message("assistant", "Hello", think="hm", cite="book"),
        Message("assistant_context", "3 files"),
    ]


@pytest.mark.parametrize(
    ("instead", "want"), [(None, "Own."), ("", None), ("Given.", "Given.")], ids=["own", "none", "given"]
)
@pytest.mark.parametrize("place", ["line", "message", "both"])
def test_the_system_message_and_what_stands_in_for_it(
    place: str, instead: str | None, want: str | None
) -> None:
    own = [{"role": "system", "content": "Own."}] if place != "line" else []
    fields = {"system": "Own."} if place != "message" else {}
    found = roles(line(*own, USER, ANSWER, **fields), system_prompt=instead)
    assert found == [*([("system", want)] if want else []), ("user", "Hi"), ("assistant", "Hello")]


def test_two_system_texts_that_differ() -> None:
    raw = line({"role": "system", "content": "One."}, USER, ANSWER, system="Two.")
    assert faults(raw) == ["system: stands beside a system message that says something else"]
    assert roles(raw, system_prompt="Three.")[0] == ("system", "Three.")


def test_an_empty_system_message_is_none() -> None:
    assert roles(line({"role": "system", "content": ""}, USER, ANSWER))[0] == ("user", "Hi")


def test_texts_are_kept_to_the_letter() -> None:
    text = "  a\r\n\tb\u2028é 🙂 <myPT_eot> \x00 \\n "
    assert roles(line({"role": "user", "content": text}, ANSWER))[0] == ("user", text)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "is not JSON: Expecting property name enclosed in double quotes, column 2"),
        (b'{"messages": [\xff]}', "is not UTF-8: byte 14 of the line is 0xff"),
        (b"[" * 100_000, "is JSON that cannot be read"),
        (b"[1]", "must be a JSON object"),
        (b"{}", "messages: is missing"),
        (b'{"prompt": "a", "completion": "b"}', "messages: is missing"),
        (b'{"messages": {}}', "messages: must be a list of messages, and not empty"),
        (b'{"messages": []}', "messages: must be a list of messages, and not empty"),
        (line("hi", ANSWER), "messages[0]: must be an object with role and content"),
        (line({"content": "x"}, ANSWER), "messages[0].role: is missing"),
        (line({"role": "bot", "content": "x"}, ANSWER), "messages[0].role: is not a role"),
        (line({"role": ["user"], "content": "x"}, ANSWER), "messages[0].role: is not a role"),
        (line({"role": "tool", "content": "x"}, ANSWER), "messages[0].role: is not a role"),
        (
            line(USER, {"role": "system", "content": "x"}, ANSWER),
            "messages[1].role: a system message must be the first",
        ),
        (line({"role": "user"}, ANSWER), "messages[0].content: is missing"),
        (line({"role": "user", "content": None}, ANSWER), "messages[0].content: is missing"),
        (line({"role": "user", "content": " \n"}, ANSWER), "messages[0].content: is empty"),
        (line(USER, {"role": "assistant", "content": ""}), "messages[1].content: is empty"),
        (
            line({"role": "user", "content": [{"type": "text"}]}, ANSWER),
            "messages[0].content: must be a text",
        ),
        (line(USER, {**ANSWER, "think": 7}), "messages[1].think: must be a text"),
        (line(USER, {**ANSWER, "tool_calls": [{}]}), "messages[1].tool_calls: tool calls cannot be learned"),
        (
            b'{"system": "\\udc00", "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
            "system: holds half a surrogate pair, which is no character",
        ),
        (
            b'{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "b"}]}',
            "messages[0].content: holds half a surrogate pair, which is no character",
        ),
        (line(USER, ANSWER, system=3), "system: must be a text"),
        (line(USER), "messages: has no assistant message, so there is nothing to learn"),
        (
            line({"role": "system", "content": "x"}, USER),
            "messages: has no assistant message, so there is nothing to learn",
        ),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, said: str) -> None:
    assert faults(raw) == [said]


def test_everything_that_is_wrong_is_named() -> None:
    assert len(faults(line({"role": "x"}, {"role": "user"}, {"role": "assistant", "content": 3}, 4))) == 4


def test_fields_that_nobody_reads_are_told() -> None:
    found = parse(
        line({**USER, "name": "Ann", "cite": "x", "tool_calls": None}, {**ANSWER, "weight": 0, "id": None})
    )
    assert found.unused == {"name", "weight", "cite"}


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(ROLES),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["messages", "role", "content", "system", "think"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_line_ends_in_a_traceback(raw: bytes) -> None:
    found = parse(raw)
    assert bool(found.messages) != bool(found.faults)
