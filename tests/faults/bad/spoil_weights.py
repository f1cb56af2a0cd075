"""What can happen within files of weights: headers and pickles that lie of kinds, shapes, sizes and places."""

from __future__ import annotations

import io
import json
import pickletools
import struct
import zipfile
from typing import Any

from tests.faults.bad.spoil_bytes import EXTREMES, Chance, as_bytes
from tests.faults.bad.spoil_text import spoil_value


def in_safetensors(data: bytes, chance: Chance) -> bytes:
    """The header lies: of its own length, of kinds, shapes and places."""
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = data[8 : 8 + length], data[8 + length :]
    if chance.random() < 0.15:
        length = chance.choice((0, 1, length - 1, length + 1, len(data), 10**8, 2**31, 2**62, 2**64 - 1))
        return struct.pack("<Q", length) + header + rest
    claims = json.loads(header)
    for _ in range(chance.choice((1, 1, 3))):
        name = chance.choice([key for key in claims if key != "__metadata__"])
        if chance.random() < 0.5:
            break
        claim = claims[name]
        other = chance.choice([key for key in claims if key != "__metadata__"])
        extreme = chance.choice((*EXTREMES, 2**64 - 1, 2**64, 10**9, 7))
        what = chance.randrange(6)
        if what == 0:
            claim["dtype"] = chance.choice(
                ("F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "F4", "C64", "X", "f32", "")
            )
        elif what == 1 and claim["shape"]:
            claim["shape"][chance.randrange(len(claim["shape"]))] = extreme
        elif what == 2:
            claim["shape"] = chance.choice(
                ([], [0], claim["shape"][::-1], [*claim["shape"], 1], [0, 10**12], [1] * 200)
            )
        elif what == 3:
            claim["data_offsets"][chance.randrange(2)] = extreme
        elif what == 4:
            claim["data_offsets"] = claims[other]["data_offsets"]
        else:
            claims[chance.choice((name + "\x1b[2J", "", name.upper(), name.replace("0", "999999999")))] = (
                claims.pop(name)
            )
    text = spoil_value(claims, chance) if chance.random() < 0.5 else json.dumps(claims).encode()
    return struct.pack("<Q", len(text)) + text + rest


def in_archive(data: bytes, chance: Chance) -> bytes:
    """What torch saved: its pickle asks for other numbers, its storages have other sizes, its names lead elsewhere."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    packed = chance.random() < 0.05
    for _ in range(chance.choice((1, 1, 1, 3))):
        pickles = [place for place, (name, _) in enumerate(entries) if name.endswith("data.pkl")]
        at = chance.choice(pickles) if pickles and chance.random() < 0.6 else chance.randrange(len(entries))
        name, content = entries[at]
        what = chance.random()
        if what < 0.7:
            spoil = in_pickle if name.endswith("data.pkl") and chance.random() < 0.8 else as_bytes
            entries[at] = name, spoil(content, chance)
        elif what < 0.75:
            del entries[at]
        elif what < 0.8:
            entries.insert(at, entries[at])
        elif what < 0.9:
            entries[at] = name, content[: chance.choice((0, 1, len(content) // 2, max(len(content) - 1, 0)))]
        else:
            other = chance.choice(
                ("../../" + name, "/" + name, name + "x", name.replace("/", "\\"), "", "x/" * 200, "é")
            )
            entries[at] = other, content
        if not entries:
            break
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content)
    return held.getvalue()


def in_pickle(data: bytes, chance: Chance) -> bytes:
    """A number, a text or an instruction of it becomes another."""
    numbers: list[Any] = []
    others: list[Any] = []
    ops = list(pickletools.genops(data))
    ends = [place for _, _, place in ops[1:] if place is not None]
    for (op, argument, place), end in zip(ops, ends, strict=False):
        if place is not None:
            (numbers if isinstance(argument, int) and "INT" in op.name else others).append(
                (op, argument, place, end)
            )
    for_number = bool(numbers) and chance.random() < 0.6
    op, argument, place, end = chance.choice(numbers if for_number else others)
    if for_number:
        value = chance.choice((*EXTREMES, argument + 1, argument - 1, argument * 10**6, 10**9, 10**30))
        stored = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        instead = b"\x8a" + bytes([len(stored)]) + stored
    elif op.name == "BINUNICODE" and isinstance(argument, str):
        text = chance.choice(
            ("", "cpu", "meta", "cuda:0", argument + "x", argument[:-1], "\x1b[2J", "x" * 3000, "../x")
        ).encode()
        instead = b"X" + struct.pack("<I", len(text)) + text
    elif op.name == "GLOBAL" and isinstance(argument, str):
        instead = chance.choice(_GLOBALS)
    else:
        instead = chance.choice(
            (b"", b"N", b"}", b"]", b")", b"0", b"(", b"t", b"R", b"Q", b"\x88", b"K\x00", b".", b"2")
        )
    return data[:place] + instead + data[end:]


_GLOBALS = (
    *(
        b"cos\nsystem\n",
        b"cbuiltins\neval\n",
        b"ctorch\nDoubleStorage\n",
        b"ctorch._utils\n_rebuild_parameter\n",
    ),
    *(
        b"ctorch\nSize\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_sparse_tensor\n",
        b"ctorch\nBoolStorage\n",
    ),
    *(
        b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n",
        b"ctorch\nQInt8Storage\n",
        b"ctorch._utils\n_rebuild_qtensor\n",
    ),
    *(b"ctorch.nn.parameter\nParameter\n", b"ctorch._utils\n_rebuild_nested_tensor\n", b"c_codecs\nencode\n"),
    *(b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n", b"ctorch._utils\n_rebuild_wrapper_subclass\n"),
)
