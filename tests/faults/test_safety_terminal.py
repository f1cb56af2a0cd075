"""Control sequences in every text that a file can bring, and every command on a real terminal: none of theirs gets out."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mypt import events
from mypt.events import LogWriter
from mypt.runs import directory, record
from tests.faults.bad.judge import hostile
from tests.faults.ground import PLAIN
from tests.tui.logs import write_run
from tests.workbench import environment, write_dataset

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")

#: One of each kind: CSI, OSC 52 (the clipboard), OSC 8, a title, DCS, APC, C1, bells and backspaces, and marks that
#: turn the order of a line around.
EVIL = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://evil\x1b\\\x1b]0;evil\x07\x1bPevil\x1b\\\x1b_evil\x1b\\\x9b31m\x9d0;evil\x9c\b\x07\r\x7f\u202eevil\u2066\u200f"
NAME = "evil\x1b[2J\x1b]52;c;eA==\x07\u202e\x9b31m"


@pytest.fixture(scope="module")
def ground(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which everything that can be called something is called that."""
    root = tmp_path_factory.mktemp("evil") / "ground"
    shutil.copytree(trained_once, root)
    for path in (write_run(root, "m"), write_run(root, NAME)):
        with LogWriter(path) as log:
            log.write(
                events.TrainingStart(
                    config={"max_iters": 100, "preset": EVIL, EVIL: EVIL}, model={EVIL: EVIL}
                )
            )
            log.write(events.Sample(iter=31, prompt=EVIL, text=EVIL))
            log.write(events.Eval(iter=40, val_loss=1.0, phase=EVIL, eval_sets={EVIL: 1.0}))
            log.write(events.PhaseSwitch(iter=40, new_phase=EVIL))
            log.write(events.GoldBlocked(iter=40, val_loss=1.0, reason=EVIL))
            log.write(events.Unknown(name=EVIL, fields={EVIL: EVIL}))
            log.write(events.TrainingStopped(iter=41, reason=EVIL, message=EVIL))
    made = record.create(
        root,
        model_name=NAME,
        log_file=f"logs/{NAME}.jsonl",
        command=["mypt", EVIL],
        origin="shell",
        settings={EVIL: EVIL, "data": EVIL},
    )
    directory.write_exit(made.directory(root), directory.ExitRecord(code=1, reason=EVIL, last_lines=(EVIL,)))
    made.directory(root).console.write_text(EVIL)
    broken = record.create(root, model_name="b", log_file="x", command=[], origin="shell").directory(root)
    broken.record_file.write_text(json.dumps({"run_id": EVIL}))
    (root / "configs").mkdir()
    preset = {**PLAIN, "description": EVIL, "name": EVIL, "comment": EVIL, "save_dtype": EVIL}
    (root / "configs" / "good.json").write_text(json.dumps(preset))
    (root / "configs" / f"{NAME}.json").write_text(json.dumps({**preset, EVIL: EVIL, "n_head": EVIL}))
    evil = root / "checkpoints" / NAME
    shutil.copytree(root / "checkpoints" / "dante", evil)
    for bundle in (evil, root / "checkpoints" / "dante"):
        (bundle / "manifest.json").unlink(missing_ok=True)
        config, state = (
            json.loads((bundle / name).read_text()) for name in ("config.json", "training_state.json")
        )
        (bundle / "config.json").write_text(json.dumps({**config, EVIL: EVIL, "note": [EVIL]}))
        state["training_config"] |= {EVIL: EVIL, "input_file": EVIL}
        state |= {
            "base": {"name": EVIL, "step": 1},
            "versions": {EVIL: EVIL},
            "numerics": {**state.get("numerics", {}), EVIL: EVIL},
        }
        (bundle / "training_state.json").write_text(json.dumps(state))
        tokens = json.loads((bundle / "tokenizer.json").read_text())
        # Whatever the model says now, it says it in these.
        signs = ["\x1b", "\x9b", "\x07", "\u202e", "\x00", "\r", "\x7f", "\b", "]", "[", "2", "J"]
        spare = iter(chr(0xE000 + n) for n in range(100))
        tokens["chars"] = [*signs, *(next(spare) for _ in tokens["chars"][len(signs) :])]
        (bundle / "tokenizer.json").write_text(json.dumps(tokens))
    shutil.copytree(evil, root / "checkpoints" / "half")
    (root / "checkpoints" / "half" / "config.json").write_text(json.dumps({"n_layer": EVIL, EVIL: 1}))
    write_dataset(root / "data", train=[[1] * 100], val=[[1] * 50], chars="ab", metadata={"dtype": EVIL})
    (root / NAME).mkdir()
    (root / f"{NAME}.txt").write_text("short")
    (root / "t.csv").write_text(f"text,{EVIL.replace(chr(13), '')}\na,b\n")
    (root / "chat.jsonl").write_text(
        json.dumps({"messages": [{"role": EVIL, "content": EVIL, EVIL: EVIL}]}) + "\n"
    )
    (root / "hf.json").write_text(json.dumps({"token_kind": EVIL}))
    return root


COMMANDS: list[tuple[str, ...]] = [
    ("status",),
    ("status", "--plot"),
    ("status", "--json"),
    ("status", "--filter", EVIL),
    ("status", "--sort", EVIL),
    ("plot", "m"),
    ("plot", NAME),
    ("plot", "m", NAME),
    ("plot", EVIL),
    ("plot", "m", "--csv", "-"),
    ("plot", "m", "--svg", "-"),
    ("show-configs",),
    ("show-configs", "--config_file", "good"),
    ("show-configs", "--config_file", NAME),
    ("show-configs", "--config_file", EVIL),
    ("inspect", "--model_name", "dante"),
    ("inspect", "--model_name", NAME),
    ("inspect", "--model_name", "half"),
    ("inspect", "--model_name", EVIL),
    (
        "generate",
        "--model_name",
        "dante",
        "--max_new_tokens",
        "30",
        "--device",
        "cpu",
        "--prompt",
        "J",
        "--temperature",
        "5",
    ),
    ("generate", "--model_name", NAME, "--max_new_tokens", "3", "--prompt", EVIL),
    ("generate", "--model_name", "half"),
    ("compare", "dante", NAME, "--details"),
    *(("compare", "dante", NAME, "m", "--details", "--format", form) for form in ("md", "csv", "json")),
    ("compare", EVIL, "dante"),
    ("tokenizer", "show", "dante", "--text", "J2["),
    ("tokenizer", "show", "hf.json"),
    ("tokenizer", "show", EVIL),
    ("train", "--config_file", "good", "--model_name", "n", "--input_file", f"{NAME}.txt"),
    ("train", "--config_file", "good", "--model_name", "n", "--dataset_dir", "data"),
    ("train", "--config_file", "good", "--model_name", "n", "--dataset_dir", NAME),
    ("train", "--config_file", "good", "--model_name", EVIL),
    ("train", "--model_name", "dante", "--max_iters", "20", "--dry_run"),
    ("train", "--model_name", NAME, "--max_iters", "20"),
    ("train", "--init_from_model", NAME, "--model_name", "n", "--dry_run", "--input_file", "input.txt"),
    ("train", EVIL),
    ("train", f"--{EVIL}=1"),
    ("prepare", "chat.jsonl", "--output_dir", "out", "--tokenization", "char"),
    ("prepare", NAME, "--output_dir", "out", "--tokenization", "char"),
    ("prepare", f"{NAME}.txt", "--output_dir", NAME, "--tokenization", "char"),
    ("import", f"checkpoints/{NAME}", "--dry_run"),
    ("import", f"checkpoints/{NAME}", "--model_name", EVIL),
    ("import", f"{NAME}.txt", "--dry_run"),
    ("export", NAME, "--output_dir", "out"),
    ("rename", NAME, EVIL),
    ("delete", EVIL),
    ("delete", "half", "--yes"),
    (
        "finetune-classifier",
        "--init_from_model",
        NAME,
        "--data",
        "t.csv",
        "--text",
        EVIL,
        "--model_name",
        "c",
    ),
    ("classify", "--model_name", NAME, "--text", EVIL),
    (EVIL,),
]


_OURS = re.compile(rb"\x1b\[[0-9;]*[mKGAJ]|\x1b\[\?25[hl]|\r")
_PROGRAM = """
import json, sys
from mypt.cli import main
for words in json.loads(sys.argv[1]):
    print("=>", flush=True)
    main(words)
"""


@pytest.mark.slow
def test_on_a_terminal_only_our_own_sequences_are_sent(ground: Path, tmp_path: Path) -> None:
    workspace = Path(shutil.copytree(ground, tmp_path / "w"))
    asked = [["--workspace", str(workspace), *words] for words in COMMANDS]
    sent = b"".join(_on_a_terminal([sys.executable, "-c", _PROGRAM, json.dumps(asked)], workspace))
    assert sent.count(b"=>") == len(asked), sent[-2000:].decode("utf-8", "replace")
    assert b"Traceback" not in sent, sent[sent.index(b"Traceback") :][:3000].decode("utf-8", "replace")
    assert b"\x1b[" in sent, "it does write in colour here"
    text = _OURS.sub(b"", sent).decode("utf-8")
    at = next((n for n, char in enumerate(text) if hostile(char)), None)
    assert at is None, repr(text[at - 200 : at + 100])


def _on_a_terminal(words: list[str], folder: Path) -> Iterator[bytes]:
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(
            words[0],
            words,
            environment(TERM="xterm-256color", COLUMNS="120", PYTHONPATH=os.pathsep.join(sys.path)),
        )
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        yield piece
    os.close(terminal)
    os.waitpid(pid, 0)
