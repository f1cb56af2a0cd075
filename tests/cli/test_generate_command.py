"""`mypt generate` in this process, and where streams, terminals and memory matter in one of its own."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mypt
from mypt.cli import main
from mypt.model import GPTConfig
from mypt.tokenizers import CHAT_TOKENS, CharTokenizer
from tests.workbench import CHARS, command, environment

FLAGS = ["--max_new_tokens", "30", "--seed", "3"]


def write(workspace: Path, capsys: pytest.CaptureFixture[str], *flags: str, model: str = "dante") -> str:
    capsys.readouterr()
    assert main(["--workspace", str(workspace), "generate", "--model_name", model, *FLAGS, *flags]) == 0
    return capsys.readouterr().out


def refused(workspace: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert main(["--workspace", str(workspace), "generate", "--model_name", "dante", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def reciting(workspace: Path, script: str, *, masked: bool) -> None:
    """Save the model `actor`, which says `script` letter by letter, whatever is in front of it."""
    tokenizer = CharTokenizer.from_text(script + CHARS + "".join(CHAT_TOKENS))
    config = GPTConfig(block_size=128, vocab_size=tokenizer.vocab_size, n_embd=128, n_head=1, n_layer=1)
    config.use_loss_mask = masked
    model = mypt.GPT(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name.endswith("ln_f.weight") else 0.0)
        # The stream holds nothing but the position, and the head has a row for what is said there.
        model.position_embedding_table.weight.copy_(torch.eye(128))
        for place, token in enumerate(tokenizer.encode(script)[1:]):
            model.lm_head.weight[token, place] = 10.0
    mypt.save_checkpoint_bundle(model, workspace / "checkpoints" / "actor", tokenizer=tokenizer)


# ── the prompt ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_from_a_file_loses_its_last_line_s_end(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained / "prompt.txt").write_bytes("\ufeffab\r\ncd\n".encode())
    shown = write(trained, capsys, "--prompt_file", "prompt.txt")
    assert shown == write(trained, capsys, "--prompt", "ab\ncd")
    assert shown.startswith("ab\ncd")


def test_a_prompt_from_standard_input(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\n")))
    assert write(trained, capsys, "--prompt_file", "-") == write(trained, capsys, "--prompt", "ab")


def test_no_prompt_begins_at_a_line_break(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = write(trained, capsys)
    assert write(trained, capsys, "--prompt", "\n") == "\n" + shown
    assert len(shown) == 31


def test_a_prompt_that_cannot_be_read_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (trained / "bytes").write_bytes(b"ab\xff")
    assert "prompt_file: is not UTF-8 text: byte 2 is 0xff (got 'bytes')" in refused(
        trained, capsys, "--prompt_file", "bytes"
    )
    assert "prompt_file: cannot be read: No such file or directory (got 'none')" in refused(
        trained, capsys, "--prompt_file", "none"
    )
    assert "prompt_file: was given together with prompt" in refused(
        trained, capsys, "--prompt", "a", "--prompt_file", "bytes"
    )


def test_a_prompt_beyond_the_context_is_said_to_be_cut(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["generate", "--model_name", "dante", *FLAGS, "--prompt"]
    assert main(["--workspace", str(trained), *flags, "ab" * 20]) == 0
    captured = capsys.readouterr()
    assert captured.err == "mypt: the prompt has 40 tokens, of which the model sees the last 16\n"
    assert captured.out.startswith("ab" * 20) and len(captured.out) == 71
    # What lies before the context has no say.
    assert main(["--workspace", str(trained), *flags, "ab" * 30]) == 0
    assert capsys.readouterr().out[60:] == captured.out[40:]


# ── what is drawn ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompt", ["ab", "ab" * 20])
def test_the_cache_changes_nothing(trained: Path, prompt: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--prompt", prompt, "--max_new_tokens", "80"]
    assert write(trained, capsys, *flags) == write(trained, capsys, *flags, "--no_cache")


def test_several_samples_are_parted_and_each_has_a_seed(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = write(trained, capsys, "--prompt", "ab", "--num_samples", "3")
    alone = [write(trained, capsys, "--prompt", "ab", "--seed", str(seed)) for seed in (3, 4, 5)]
    assert shown == ("-" * 15 + "\n").join(alone)
    assert len(set(alone)) == 3
    assert "num_samples: must be at least 1 (got 0)" in refused(trained, capsys, "--num_samples", "0")


def test_a_seed_beyond_bounds_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "seed: must be from 0 to 2^63 - 1 (got -1)" in refused(trained, capsys, "--seed", "-1")


# ── conversations ───────────────────────────────────────────────────────────────────────────────────────────────


USER = "<myPT_user>ab</myPT_user>"
PLAY = f"{USER}<myPT_assistant>ef gh</myPT_assistant>ab ab"


def test_a_model_of_conversations_answers_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reciting(tmp_path, PLAY, masked=True)
    flags = ["--workspace", str(tmp_path), "generate", "--model_name", "actor", "--temperature", "0"]
    assert main([*flags, "--prompt", "ab"]) == 0
    said = capsys.readouterr()
    # The answer alone, up to the tag that closes it.
    assert said.out == "ef gh\n"
    assert "actor was trained on conversations and answers; --chat false takes the prompt" in said.err
    assert main([*flags, "--prompt", "ab", "--chat"]) == 0
    assert capsys.readouterr() == ("ef gh\n", "")
    assert main([*flags, "--prompt", USER, "--chat", "false", "--max_new_tokens", "30"]) == 0
    assert capsys.readouterr() == (PLAY[: len(USER) + 30] + "\n", "")


def test_what_the_system_says_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reciting(tmp_path, f"<myPT_system>be</myPT_system>{PLAY}", masked=False)
    flags = ["--workspace", str(tmp_path), "generate", "--model_name", "actor", "--temperature", "0"]
    assert main([*flags, "--prompt", "ab", "--chat", "--system", "be"]) == 0
    assert capsys.readouterr() == ("ef gh\n", "")


def test_a_system_message_is_for_those_who_answer(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(trained, capsys, "--system", "be kind", "--prompt", "ab")
    assert "system: is only told to a model that answers (got 'be kind'); add --chat" in err
    err = refused(trained, capsys, "--chat", "--prompt", "ab")
    assert f"chat: dante knows no conversation tags (char, {len(CHARS)} characters)" in err


# ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────

EVIL = "ab\x1b[2Jcd"


def test_a_pipe_gets_the_text_as_it_is(tmp_path: Path) -> None:
    reciting(tmp_path, EVIL + "ab ", masked=False)
    flags = ["--model_name", "actor", "--prompt", "a", "--temperature", "0", "--max_new_tokens", "10"]
    done = subprocess.run(
        command(tmp_path, "generate", *flags), env=environment(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, EVIL.encode() + b"ab \n", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX")
def test_a_terminal_is_shown_control_characters_and_obeys_none(tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    reciting(tmp_path, EVIL + "ab ", masked=False)
    flags = ["--model_name", "actor", "--prompt", "a", "--temperature", "0", "--max_new_tokens", "10"]
    words = command(tmp_path, "generate", *flags)
    child = pexpect.spawn(words[0], words[1:], env=environment(), encoding="utf-8", timeout=120)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.before) == (0, "ab\\x1b[2Jcdab \r\n")


# ── what other programs and machines do to it ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["", "_gold", "_fp16"])
def test_the_originals_bundles_write(
    samples: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(samples / "original" / "checkpoints", tmp_path / "checkpoints")
    shown = write(tmp_path, capsys, "--prompt", "The ", "--device", "cpu", model=f"a_char_learned{suffix}")
    assert shown.startswith("The ") and len(shown) == 35


LIMITED = """
import resource, sys
import torch
from mypt.cli import main
import mypt.api.bundles, mypt.generate, mypt.training.checkpointing, mypt.training.numerics
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + {room}
resource.setrlimit(resource.RLIMIT_AS, (room, room))
sys.exit(main({arguments!r}))
"""


@pytest.mark.skipif(
    not Path("/proc/self/statm").is_file(), reason="needs Linux's account of a process's memory"
)
# Enough for neither, and enough for the weights once but not for the network beside them.
@pytest.mark.parametrize("room", [20_000_000, 280_000_000])
def test_memory_that_ends_is_said_and_no_file_is_blamed(tmp_path: Path, room: int) -> None:
    config = GPTConfig(block_size=16, vocab_size=50304, n_embd=384, n_head=1, n_layer=1)
    model = mypt.GPT(config, seed=None)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    # A library of the other tokenizers aborts where memory ends, which no program can help.
    letters = CharTokenizer.from_text(CHARS)
    mypt.save_checkpoint_bundle(model, tmp_path / "checkpoints" / "m", tokenizer=letters)
    arguments = ["--workspace", str(tmp_path), "generate", "--model_name", "m", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(room=room, arguments=arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "out of memory" in done.stderr and "Close other programs" in done.stderr
    assert "Traceback" not in done.stderr and "damaged" not in done.stderr
