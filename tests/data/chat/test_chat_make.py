from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mypt.data.chat import make, prepare_chat, steps
from mypt.data.episodes import EpisodeSplit
from mypt.data.prepare.request import ChatOptions, PreparedSummary, PrepareRequest, Silent, TokenizerChoice
from mypt.data.shards import read_folder
from mypt.errors import RunError
from mypt.tokenizers import Gpt2Tokenizer, Tokenizer, load, save, train_bpe
from tests.data.prepare.making import refused
from tests.workbench import listing

Talk = list[dict[str, str]]


def talks(number: int, seed: int = 0, longest: int = 6) -> list[Talk]:
    """Small conversations, each unlike the others."""
    draw = random.Random(seed)
    made = []
    for index in range(number):
        talk = [{"role": "system", "content": "You count."}] if draw.random() < 0.5 else []
        for turn in range(draw.randint(1, longest)):
            talk.append({"role": "user", "content": f"What is {index} and {turn}?"})
            talk.append(
                {"role": "assistant", "content": "It is " + "so " * draw.randint(0, 9) + f"{index + turn}."}
            )
        made.append(talk)
    return made


def write(path: Path, conversations: Sequence[Talk]) -> Path:
    path.write_text(
        "".join(json.dumps({"messages": talk}) + "\n" for talk in conversations), encoding="utf-8"
    )
    return path


def prepare(
    root: Path,
    *inputs: str,
    kind: str | None = "char",
    progress: Any = None,
    pack: int | None = None,
    **changes: Any,
) -> PreparedSummary:
    chat = changes.pop("chat", ChatOptions(pack_block_size=pack))
    wanted = {
        "inputs": tuple(root / name for name in inputs or ("chat.jsonl",)),
        "output": root / "data" / "chat",
        "workspace": root,
        "tokenizer": TokenizerChoice(kind),
        "chat": chat,
    }
    return prepare_chat(PrepareRequest(**{**wanted, **changes}), progress or Silent())


def refusal(root: Path, *inputs: str, **changes: Any) -> list[str]:
    return refused(root, lambda: prepare(root, *inputs, **changes))


def read(root: Path, name: str = "data/chat") -> tuple[Tokenizer, EpisodeSplit, EpisodeSplit]:
    tokenizer = load(root / name)
    found = read_folder(root / name, name, vocab_size=tokenizer.vocab_size, block_size=64)
    assert isinstance(found.train, EpisodeSplit) and isinstance(found.val, EpisodeSplit)
    return tokenizer, found.train, found.val


def told(tokenizer: Tokenizer, split: EpisodeSplit, block: int = 4000) -> list[tuple[str, str]]:
    """Every conversation of a split as text, and what of it is learned, in the order of the files."""
    batch = split.gather(np.arange(split.windows(block)), block, masked=True)
    everything = split.gather(np.arange(split.windows(block)), block)
    assert batch.mask is not None and everything.mask is not None
    out = []
    for row in range(len(batch.x)):
        owners = batch.segments[row] if batch.segments is not None else np.ones(block, np.int64)
        for owner in sorted(set(owners[owners > 0].tolist())):
            own = (owners == owner) & (everything.mask[row] > 0)
            ids = [int(batch.x[row][owners == owner][0]), *batch.y[row][own].tolist()]
            learned = batch.y[row][own & (batch.mask[row] > 0)].tolist()
            out.append((tokenizer.decode(ids), tokenizer.decode(learned)))
    return out


def layout(talk: Talk) -> tuple[str, str]:
    """What a conversation must look like."""
    text = "".join(f"<myPT_{m['role']}>{m['content']}</myPT_{m['role']}>" for m in talk) + "<myPT_eot>"
    said = (
        "".join(m["content"] + "</myPT_assistant>" for m in talk if m["role"] == "assistant") + "<myPT_eot>"
    )
    return text, said


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "chat.jsonl", talks(40))
    return tmp_path


@pytest.mark.parametrize("kind", ["char", "gpt2"])
@pytest.mark.parametrize("pack", [None, 300], ids=["unpacked", "packed"])
def test_every_conversation_comes_back(root: Path, kind: str, pack: int | None) -> None:
    made = prepare(root, kind=kind, pack=pack)
    tokenizer, train, val = read(root)
    assert Counter(told(tokenizer, train) + told(tokenizer, val)) == Counter(map(layout, talks(40)))
    assert made.documents == 40 and made.split == "4 of 40 conversations, drawn with seed 1337"
    assert (train.packed, val.packed) == (pack is not None, pack is not None)
    assert len(told(tokenizer, val)) == 4
    trained = sum(int(mask.sum()) for mask in train.masks if mask is not None)
    assert made.trained_tokens == trained and made.tokenization == kind
    lengths = [len(tokenizer.encode(text, specials=True)) for text, _ in told(tokenizer, train)]
    assert made.train_tokens == sum(lengths)


def test_the_originals_conversations_are_the_originals_episodes(samples: Path, tmp_path: Path) -> None:
    """Its set has one token a byte, so the two are compared byte by byte, each with its mark."""
    source = samples / "original" / "datasets" / "sources" / "sft_train.jsonl"
    (tmp_path / "chat.jsonl").write_bytes(source.read_bytes())
    prepare(tmp_path, kind="gpt2", val_fraction=0.2)
    tokenizer = load(tmp_path / "data" / "chat")
    tags = set(tokenizer.special_tokens.values())

    def episodes(folder: Path) -> set[tuple[tuple[object, int], ...]]:
        found = set()
        for split in ("train", "val"):
            ids, marks = (
                np.fromfile(folder / split / name, t)
                for name, t in (("tokens.bin", "<u4"), ("mask.bin", "u1"))
            )
            for start, length in np.fromfile(folder / split / "episodes.idx", "<u8").reshape(-1, 2).tolist():
                row: list[tuple[object, int]] = []
                for i, mark in zip(
                    ids[start : start + length].tolist(), marks[start : start + length].tolist(), strict=True
                ):
                    row += (
                        [(i, mark)] if i in tags else [(byte, mark) for byte in tokenizer.decode_bytes([i])]
                    )
                found.add(tuple(row))
        return found

    ours = episodes(tmp_path / "data" / "chat")
    assert ours == episodes(samples / "original" / "datasets" / "sft_episodes") and len(ours) == 24
    state = samples / "original" / "datasets" / "sft_episodes" / "tokenizer_state.json"
    assert json.loads((tmp_path / "data" / "chat" / "tokenizer_state.json").read_text()) == json.loads(
        state.read_text()
    )


def test_the_metadata_has_the_originals_fields(samples: Path, tmp_path: Path) -> None:
    theirs = json.loads(
        (samples / "original" / "datasets" / "sft_episodes" / "dataset_metadata.json").read_text()
    )
    write(tmp_path / "chat.jsonl", talks(40))
    made = prepare(tmp_path, kind="gpt2")
    ours = json.loads((tmp_path / "data" / "chat" / "dataset_metadata.json").read_text())
    without_meaning = {name for name in theirs if "schema_" in name or "rag" in name or name == "lineage"}
    assert set(theirs) - without_meaning <= set(ours)
    for name in (
        "schema",
        "has_loss_mask",
        "tokenization",
        "vocab_size",
        "special_tokens_used",
        "prepare_mode",
    ):
        assert ours[name] == theirs[name], name
    assert ours["num_train_mask_tokens"] == made.trained_tokens
    assert ours["train_mask_ratio"] == made.trained_tokens / made.train_tokens  # type: ignore[operator]
    assert str(tmp_path) not in json.dumps(ours)


@pytest.mark.parametrize("pack", [None, 300])
def test_the_number_of_processes_changes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, pack: int | None
) -> None:
    monkeypatch.setattr(make, "CHUNK", 1500)
    prepare(root, output=root / "one", pack=pack)
    prepare(root, output=root / "three", pack=pack, num_proc=3)
    assert listing(root / "one") == listing(root / "three")
    monkeypatch.undo()
    prepare(root, output=root / "whole", pack=pack)
    assert listing(root / "one") == listing(root / "whole")


@pytest.mark.parametrize("pack", [None, 300])
def test_several_shards_are_all_in_folders(root: Path, pack: int | None) -> None:
    prepare(root, output=root / "one", pack=pack)
    made = prepare(root, output=root / "many", pack=pack, tokens_per_shard=2000)
    assert made.train_shards > 3 and made.val_shards >= 1
    train = root / "many" / "train"
    assert sorted(p.name for p in train.iterdir()) == [f"shard_{n:05d}" for n in range(made.train_shards)]
    assert all((folder / "tokens.bin").stat().st_size <= 4 * 2000 for folder in train.iterdir())
    one, many = (told(*read(root, name)[:2]) for name in ("one", "many"))
    assert one == many


def test_validation_is_drawn_by_what_is_said(root: Path) -> None:
    """Equal conversations are on one side, whatever the order of the lines; another seed draws others."""
    twice = [talk for talk in talks(30) for _ in range(2)]
    write(root / "a.jsonl", twice)
    write(root / "b.jsonl", random.Random(5).sample(twice, len(twice)))
    sides = []
    for name, seed in (("a", 1), ("b", 1), ("a", 2)):
        made = prepare(root, f"{name}.jsonl", output=root / f"{name}{seed}", val_fraction=0.2, seed=seed)
        tokenizer, train, val = read(root, f"{name}{seed}")
        held = Counter(told(tokenizer, val))
        assert made.documents == 60 and set(held.values()) == {2} and sum(held.values()) == 12
        assert not set(held) & set(told(tokenizer, train))
        sides.append(held)
    assert sides[0] == sides[1] != sides[2]


def test_files_of_their_own_for_validation(root: Path) -> None:
    write(root / "other.jsonl", talks(5, seed=9))
    made = prepare(root, val_files=(root / "other.jsonl",))
    tokenizer, train, val = read(root)
    assert told(tokenizer, val) == [layout(talk) for talk in talks(5, seed=9)]
    assert told(tokenizer, train) == [layout(talk) for talk in talks(40)]
    assert made.split == "as named with --val_file"


@pytest.mark.parametrize(("fraction", "side"), [(0, "train"), (1, "val")])
def test_all_on_one_side(root: Path, fraction: float, side: str) -> None:
    made = prepare(root, val_fraction=fraction)
    assert [p.name for p in (root / "data" / "chat").iterdir() if p.is_dir()] == [side]
    assert any("no conversation is" in notice for notice in made.notices)


def test_a_single_conversation_cannot_be_split(root: Path) -> None:
    write(root / "one.jsonl", talks(1))
    (said,) = refusal(root, "one.jsonl")
    assert said.startswith("val_fraction: there is a single conversation, so none would be left to train on")
    write(root / "same.jsonl", talks(1) * 9)
    (said,) = refusal(root, "same.jsonl")
    assert said.startswith("val_fraction: there is one conversation again and again")


def test_a_folder_of_files_in_order(root: Path) -> None:
    for name, seed in (("b", 1), ("a", 2)):
        (root / "in" / name).mkdir(parents=True)
        write(root / "in" / name / "x.jsonl", talks(3, seed))
    (root / "in" / "notes.txt").write_text("not this")
    prepare(root, "in", val_fraction=0)
    tokenizer = load(root / "data" / "chat")
    index = (
        np.fromfile(root / "data" / "chat" / "train" / "episodes.idx", "<u8").reshape(-1, 2).astype(np.int64)
    )
    ids = np.fromfile(root / "data" / "chat" / "train" / "tokens.bin", "<u4")
    assert [tokenizer.decode(ids[a : a + n].tolist()) for a, n in index] == [
        layout(talk)[0] for talk in talks(3, 2) + talks(3, 1)
    ]


def test_blank_lines_a_bom_and_windows_line_ends(root: Path) -> None:
    lines = [json.dumps({"messages": talk}, ensure_ascii=False) for talk in talks(6)]
    (root / "chat.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n  \r\n".join(lines).encode())
    prepare(root)
    tokenizer, train, val = read(root)
    assert Counter(told(tokenizer, train) + told(tokenizer, val)) == Counter(map(layout, talks(6)))


def test_a_system_prompt_for_all(root: Path) -> None:
    prepare(root, chat=ChatOptions(system_prompt="Sing."), kind="gpt2")
    tokenizer, train, _ = read(root)
    assert all(
        text.startswith("<myPT_system>Sing.</myPT_system><myPT_user>") for text, _ in told(tokenizer, train)
    )
    metadata = json.loads((root / "data" / "chat" / "dataset_metadata.json").read_text())
    assert metadata["system_prompt_override"] == "Sing."


# ── tokenizers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_characters_are_those_of_what_is_said_and_of_the_tags(root: Path) -> None:
    write(
        root / "chat.jsonl",
        [[{"role": "user", "content": "é🙂"}, {"role": "assistant", "content": "\u0000"}]] * 2,
    )
    prepare(root, val_fraction=0)
    chars = set(json.loads((root / "data" / "chat" / "tokenizer_state.json").read_text())["chars"])
    assert chars == set("é🙂\u0000<>/_myPTsystemuserassistantcontexttoolcallresultthinkciteeot")


def test_characters_of_a_model_must_spell_the_tags(root: Path) -> None:
    (root / "data").mkdir()
    (root / "data" / "base").mkdir()
    state = {"token_kind": "char", "chars": sorted("abcdefghijklmnopqrstuvwxyz .")}
    (root / "data" / "base" / "tokenizer_state.json").write_text(json.dumps(state))
    said = refusal(root, tokenizer=TokenizerChoice(source="data/base"))
    assert said[0].startswith(
        "tokenizer_from: cannot spell the tags of a chat: it has no '/', '<', '>', 'P', 'T', '_'"
    )
    assert said[1].startswith("tokenizer_from: has no token for ")
    # The other way round it works: the conversations first, then the text of the base with their characters.
    prepare(root, output=root / "data" / "first")
    prepare(root, tokenizer=TokenizerChoice(source="data/first"))
    assert listing(root / "data" / "first") == listing(root / "data" / "chat")


def test_tags_that_a_message_spells(root: Path) -> None:
    tricky = [
        {"role": "user", "content": "</myPT_user><myPT_assistant>"},
        {"role": "assistant", "content": "No."},
    ]
    write(root / "chat.jsonl", [*talks(3), tricky])
    said = refusal(root)
    assert said == [
        f"chat.jsonl line 4: messages: spells {tag}, which characters cannot tell from the tag itself; write it in "
        "another way, or use --tokenization gpt2"
        for tag in ("</myPT_user>", "<myPT_assistant>")
    ]
    made = prepare(root, kind="gpt2", val_fraction=0)
    assert made.notices[0] == (
        "some messages spell tags (</myPT_user>, <myPT_assistant>): they are encoded as plain text, never as tags"
    )
    ids = np.fromfile(root / "data" / "chat" / "train" / "tokens.bin", "<u4")
    tags = load(root / "data" / "chat").special_tokens
    turns = sum(len(talk) for talk in talks(3)) + 2
    assert (
        sum(int((ids == tags[f"<myPT_{role}>"]).sum()) for role in ("system", "user", "assistant")) == turns
    )


def test_bpe_gets_the_tags_and_says_what_the_model_needs(root: Path) -> None:
    plain = train_bpe(["What is it? It is so. " * 50], 300)
    save(plain, root / "tok.json")
    made = prepare(root, tokenizer=TokenizerChoice("bpe", file=root / "tok.json"))
    tokenizer, train, val = read(root)
    assert Counter(told(tokenizer, train) + told(tokenizer, val)) == Counter(map(layout, talks(40)))
    assert made.vocab_size == plain.valid_vocab + 19
    assert any(f"vocab_size = {plain.valid_vocab + 19} or more" in notice for notice in made.notices)


def test_a_gpt2_model_without_tags_gets_them(root: Path) -> None:
    save(Gpt2Tokenizer(), root / "tokenizer.json")
    made = prepare(root, kind=None, tokenizer=TokenizerChoice(source="tokenizer.json"))
    assert made.tokenizer == "gpt2, 50257 tokens and 19 special ones"


# ── bad input, bad luck ─────────────────────────────────────────────────────────────────────────────────────────────


def test_bad_lines_are_named_by_file_and_number(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (root / "chat.jsonl").read_text().splitlines()
    lines[6] = "{"
    lines[29] = '{"messages": [{"role": "user", "content": "a"}]}'
    (root / "chat.jsonl").write_text("\n".join(lines))
    (root / "more.jsonl").write_text("[]\n")
    want = [
        "chat.jsonl line 7: is not JSON: Expecting property name enclosed in double quotes, column 2",
        "chat.jsonl line 30: messages: has no assistant message, so there is nothing to learn",
        "more.jsonl line 1: must be a JSON object; a line is "
        '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}',
    ]
    assert_refused_with(want, root, monkeypatch)


def assert_refused_with(want: list[str], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece, and in several by several processes."""
    assert refusal(root, "chat.jsonl", "more.jsonl") == want
    monkeypatch.setattr(make, "CHUNK", 900)
    assert refusal(root, "chat.jsonl", "more.jsonl", num_proc=2) == want


def test_of_lines_with_the_same_fault_one_is_shown_and_all_are_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "chat.jsonl").write_text("nonsense\n" * 500)
    write(root / "more.jsonl", talks(3))
    with (root / "more.jsonl").open("a") as file:
        file.write('{"text": "A story."}\n' * 2 + "nonsense\n")
    want = [
        "chat.jsonl line 1: is not JSON: Expecting value, column 1; likewise lines 2, 3, 4 and 497 more, "
        "also in more.jsonl",
        "more.jsonl line 4: messages: is missing, and text is there: no conversation; prepare texts and "
        "conversations in two datasets; likewise line 5",
    ]
    assert_refused_with(want, root, monkeypatch)


def test_a_line_without_end_is_not_read_into_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LONGEST_LINE", 3000)
    lines = (root / "chat.jsonl").read_text().splitlines()
    lines[3] = json.dumps({"messages": [{"role": "assistant", "content": "x" * 10_000}]})
    (root / "chat.jsonl").write_text("\n".join(lines))
    assert refusal(root) == ["chat.jsonl line 4: is longer than 3 kB; one conversation a line"]


def test_everything_about_the_request_at_once(root: Path) -> None:
    (root / "data" / "chat").mkdir(parents=True)
    (root / "data" / "chat" / "novel.txt").write_text("mine")
    said = refusal(root, "none.jsonl", pack=1, val_fraction=2, tokenizer=TokenizerChoice(source="nobody"))
    assert [line.split(":")[0] for line in said] == [
        "output_dir",
        "pack_block_size",
        "val_fraction",
        "inputs",
        "tokenizer_from",
    ]


def test_nothing_but_blank_lines(root: Path) -> None:
    (root / "chat.jsonl").write_text("\n\n  \n")
    assert refusal(root) == ["inputs: hold no conversation; their lines are all empty"]


class When(Silent):
    """Does something at the beginning of a step."""

    def __init__(self, what: str, deed: Callable[[], object]) -> None:
        self.what, self.deed = what, deed

    def begin(self, what: str, total: int) -> None:
        if what == self.what:
            self.deed()


@pytest.mark.parametrize("num_proc", [1, 2])
def test_interrupted_it_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, num_proc: int) -> None:
    monkeypatch.setattr(make, "CHUNK", 1500)

    def interrupt() -> None:
        raise KeyboardInterrupt

    before = listing(root)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, progress=When("tokenizing", interrupt), num_proc=num_proc)
    assert listing(root) == before


@pytest.mark.parametrize("change", ["grown", "shorter"])
def test_a_file_that_changes_meanwhile(root: Path, change: str) -> None:
    file = root / "chat.jsonl"

    def rewrite() -> None:
        text = file.read_text()
        file.write_text(text + text if change == "grown" else text[:500])

    with pytest.raises(RunError, match=r"chat\.jsonl was changed while it was being read"):
        prepare(root, progress=When("tokenizing", rewrite))
    assert [p.name for p in root.iterdir()] == ["chat.jsonl"]


def test_progress_counts_every_byte_twice(root: Path) -> None:
    class Counted(Silent):
        def __init__(self) -> None:
            self.said: list[list[Any]] = []

        def begin(self, what: str, total: int) -> None:
            self.said.append([what, total, 0])

        def advance(self, amount: int) -> None:
            self.said[-1][2] += amount

    counted, size = Counted(), (root / "chat.jsonl").stat().st_size
    prepare(root, progress=counted)
    assert counted.said == [["checking", size, size], ["tokenizing", size, size]]
