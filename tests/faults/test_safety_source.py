"""What the source never does: load a pickle with code in it, run a shell, evaluate a text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((*ROOT.glob("mypt/**/*.py"), *ROOT.glob("tui/**/*.py")))
NEVER = frozenset(
    (
        *("eval", "exec", "compile", "__import__", "execfile", "os.system", "os.popen", "tempfile.mktemp"),
        *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"),
        *(
            "yaml.load",
            "subprocess.getoutput",
            "subprocess.getstatusoutput",
            "asyncio.create_subprocess_shell",
        ),
        *("os.spawnl", "os.execl", "zipfile.ZipFile.extractall", "shutil.unpack_archive", "joblib.load"),
    )
)
#: Looked at, with the reason: who may do what, as (file, what is called).
ALLOWED = {
    # Between a process and its own worker, over pipes that nobody else has.
    ("mypt/data/prepare/worker.py", "pickle.load"),
    ("mypt/data/prepare/worker.py", "pickle.loads"),
    # Builds dicts, lists, numbers and strings, and finds no class.
    ("mypt/tokenizers/files.py", "pickle.Unpickler"),
}


def name_of(node: ast.expr) -> str:
    """`torch.load` as it is written; empty for what is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = name_of(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def offences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and what is wrong with them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "marshal", "os", "subprocess"):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in NEVER:
                    yield node.lineno, f"{node.module}.{alias.name}"
        if isinstance(node, ast.ClassDef):
            yield from ((node.lineno, name_of(base)) for base in node.bases if name_of(base) in NEVER)
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        keywords = {word.arg: word.value for word in node.keywords}
        if name in NEVER:
            yield node.lineno, name
        if name.endswith("torch.load") and not _is(keywords.get("weights_only"), True):
            yield node.lineno, "torch.load without weights_only=True"
        if name in ("np.load", "numpy.load") and not _is(keywords.get("allow_pickle"), False):
            yield node.lineno, "numpy.load without allow_pickle=False"
        if "shell" in keywords and not _is(keywords["shell"], False):
            yield node.lineno, "shell=True"
        if name.endswith((".extractall", ".extract")):
            yield node.lineno, name


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_nothing_is_run_that_a_file_or_a_person_wrote() -> None:
    assert len(FILES) > 200
    found = {
        (file.relative_to(ROOT).as_posix(), what)
        for file in FILES
        for _, what in offences(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert found - ALLOWED == set()
    assert found >= ALLOWED, "what is no longer done need not be allowed"


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "import pickle\nx = pickle.load(file)",
        "from pickle import loads",
        "class A(pickle.Unpickler): ...",
        "subprocess.run(command, shell=True)",
        "eval(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "archive.extractall(folder)",
        "os.system('ls')",
    ],
)
def test_it_would_be_seen(source: str) -> None:
    assert list(offences(ast.parse(source)))


def test_what_is_as_it_should_be_is_not_complained_of() -> None:
    good = (
        "torch.load(p, weights_only=True)\nnp.load(p, allow_pickle=False)\nre.compile(x)\nrun(c, shell=False)"
    )
    assert not list(offences(ast.parse(good)))
