"""What can happen to the bytes of any file: some flip, go, come twice, change places, or become extreme numbers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Chance = random.Random

#: Written into JSON as they stand here: what no encoder writes, and what readers believe nevertheless.
RAW_VALUES = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1e-400",
        "-0",
        "-0.0",
        "1.5",
        "1E5",
        "0",
        "1",
        "-1",
    ),
    *(
        "9" * 400,
        "-" + "9" * 400,
        "9" * 5000,
        "1" + "0" * 30,
        str(2**31),
        str(2**53 + 1),
        str(2**63),
        str(-(2**63) - 1),
    ),
    *("null", "true", "false", '""', "[]", "{}", "[[]]", "[null]", '{"":null}', '[{"a":[1,"x",null]}]'),
    *(
        '"\\ud800"',
        '"\\udc00x"',
        '"\\u0000"',
        '"\\u001b]52;c;eA==\\u0007"',
        '"\\u202e\\u2066x"',
        '"\\r\\n"',
        '"\\u009b31m"',
    ),
    *(
        '"../../../etc/passwd"',
        '"/etc/passwd"',
        '"."',
        '".."',
        '"-x"',
        '"con"',
        '"nan"',
        '"1e400"',
        '"[red]x[/]"',
    ),
    *(
        '"true"',
        '"9999-99-99T99:99:99"',
        '"0001-01-01T00:00:00"',
        '"9999-12-31T23:59:59.999999+14:00"',
        '"\\u00e9"',
    ),
    *('"' + "x" * 5000 + '"', "[" * 300 + "]" * 300, "[" * 100_000, '{"a":' * 2000 + "1" + "}" * 2000),
    *(
        "[" + "0," * 3000 + "0]",
        '{"%s":1}' % ("k" * 3000),
        '[1,1.0,"1",true]',
        '"f32"',
        '"int4"',
        '"\\ud83d"',
    ),
)
_BYTES = (
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x1b[2J",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\r",
        b"\n",
        b"\r\n",
        b'"',
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\xff\xfe",
        b"\x00" * 100,
        b"NaN",
        b"1e400",
        b"\x80\x04",
        b"-",
        b"\xe2\x80\xa8",
    ),
)
EXTREMES = (0, 1, -1, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**53, 2**62, 2**63 - 1, -(2**63))
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def as_bytes(data: bytes, chance: Chance) -> bytes:
    """One thing that can happen to any file."""
    spoil: Callable[[bytes, Chance], bytes] = chance.choice(_ANYWHERE)
    return spoil(data, chance)


def _flip(data: bytes, chance: Chance) -> bytes:
    mutable = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if mutable:
            mutable[_place(mutable, chance)] ^= 1 << chance.randrange(8)
    return bytes(mutable)


def _truncate(data: bytes, chance: Chance) -> bytes:
    return data[: _place(data, chance)] if chance.random() < 0.9 else b""


def _remove(data: bytes, chance: Chance) -> bytes:
    begin, end = _slice(data, chance)
    return data[:begin] + data[end:]


def _duplicate(data: bytes, chance: Chance) -> bytes:
    begin, end = _slice(data, chance)
    return data[:end] + data[begin:end] * chance.choice((1, 1, 3, 50)) + data[end:]


def _insert(data: bytes, chance: Chance) -> bytes:
    place = _place(data, chance)
    what = chance.choice(_BYTES) if chance.random() < 0.8 else chance.randbytes(chance.randint(1, 64))
    return data[:place] + what + data[place:]


def _overwrite(data: bytes, chance: Chance) -> bytes:
    begin, end = _slice(data, chance)
    what = chance.choice((b"\0", b"\xff", b" ", b"9"))
    return data[:begin] + what * (end - begin) + data[end:]


def _move(data: bytes, chance: Chance) -> bytes:
    begin, end = _slice(data, chance)
    rest, place = data[:begin] + data[end:], _place(data, chance)
    return rest[:place] + data[begin:end] + rest[place:]


def _around(data: bytes, chance: Chance) -> bytes:
    what = chance.choice(_BYTES)
    return what + data if chance.random() < 0.5 else data + what * chance.choice((1, 4096))


def _number(data: bytes, chance: Chance) -> bytes:
    """A number that is written in the file becomes another."""
    found = list(_NUMBER.finditer(data[: 1 << 16]))
    if not found:
        return _binary(data, chance)
    match = chance.choice(found)
    return data[: match.start()] + chance.choice(RAW_VALUES[:20]).encode() + data[match.end() :]


def _binary(data: bytes, chance: Chance) -> bytes:
    """A number that is stored in the file becomes another."""
    width, value = chance.choice((2, 4, 8)), chance.choice(EXTREMES)
    place = _place(data, chance)
    place -= place % chance.choice((1, width))
    stored = (value % (1 << 8 * width)).to_bytes(width, chance.choice(("little", "big")))
    return data[:place] + stored + data[place + width :]


_ANYWHERE = (
    _flip,
    _flip,
    _truncate,
    _remove,
    _duplicate,
    _insert,
    _overwrite,
    _move,
    _around,
    _number,
    _binary,
)


def _place(data: bytes | bytearray, chance: Chance) -> int:
    """Somewhere, most of all where headers are."""
    if not data:
        return 0
    end = len(data) if chance.random() < 0.5 else min(len(data), chance.choice((16, 64, 1024)))
    return chance.randrange(end)


def _slice(data: bytes, chance: Chance) -> tuple[int, int]:
    begin = _place(data, chance)
    return begin, min(begin + chance.choice((1, 2, 8, 16, 100, 1000, 10**6)), len(data))
