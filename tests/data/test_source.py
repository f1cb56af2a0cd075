from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mypt.data.episodes import EpisodeOptions, EpisodeSplit
from mypt.data.source import RunData, describe, open_data, vocabulary_rows
from mypt.errors import UserError
from mypt.settings.resolve import Request, resolve
from mypt.tokenizers import Gpt2Tokenizer, save, with_chat_tokens
from tests.workbench import CHARS, ids_of, story, write_dataset, write_episodes

IDS = ids_of(story(400))[:300]
TINY: dict[str, Any] = {"block_size": 16, "batch_size": 2, "n_embd": 16, "n_head": 2, "n_layer": 1}


def opened(workspace: Path, **given: Any) -> RunData:
    return open_data(resolve(Request(given={**TINY, **given}), workspace))


def refusal(workspace: Path, **given: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        opened(workspace, **given)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_that_is_no_plain_text_is_said(workspace: Path) -> None:
    (workspace / "c.jsonl").write_text('{"text": "the fox and the dog"}\n' * 50)
    (said,) = opened(workspace, input_file="c.jsonl").notices
    assert said.startswith("c.jsonl holds a text in every line of JSON, and is learned as plain text")


def test_shards_without_masks_beside_masked_ones_are_said(workspace: Path) -> None:
    folder = write_dataset(workspace / "data" / "part", train=[IDS, IDS, IDS], val=[IDS], mask="u1")
    assert opened(workspace, dataset_dir="data/part", use_loss_mask=True).notices == []
    for name in ("train/shard_00001_mask.bin", "val/shard_00003_mask.bin"):
        (folder / name).unlink()
    write_dataset(workspace / "data" / "bare", val=[IDS])
    data = opened(workspace, dataset_dir="data/part", use_loss_mask=True, eval_sets={"general": "data/bare"})
    assert data.notices == [
        "data/part: 1 of 3 shards have no loss mask, so every token there counts",
        "data/part (val): it has no loss mask, so every token there counts",
        "eval set general: it has no loss mask, so every token there counts",
    ]


def phases(*names: str, until: int = 30) -> dict[str, Any]:
    ends = [until] * (len(names) - 1) + [None]
    return {
        "phases": [
            {"name": name, "dataset_dir": f"data/{name}", "until_iter": end}
            for name, end in zip(names, ends, strict=True)
        ]
    }


def test_a_text_is_one_phase_with_its_own_characters(workspace: Path) -> None:
    data = opened(workspace, input_file="input.txt", tokenization="char")
    (phase,) = data.phases
    assert (phase.name, phase.until, phase.shown) == ("default", None, "input.txt")
    assert data.tokenizer.vocab_size == len(CHARS)
    run = resolve(Request(given={**TINY, "input_file": "input.txt", "tokenization": "char"}), workspace)
    assert vocabulary_rows(run, data.tokenizer) == len(CHARS)
    whole = phase.train.tokens + phase.val.tokens
    assert whole == len(story()) and phase.train.tokens == int(0.9 * whole)
    assert describe(data)[0].startswith("input.txt: 3.6") and describe(data)[0].endswith(" val tokens")


def test_a_dataset_brings_its_tokenizer(workspace: Path) -> None:
    write_dataset(workspace / "data" / "a", train=[IDS], val=[IDS])
    data = opened(workspace, dataset_dir="data/a")
    assert data.tokenizer.kind == "char" and data.tokenizer.vocab_size == len(CHARS)
    assert data.phases[0].train.tokens == len(IDS)
    said = refusal(workspace, dataset_dir="data/a", tokenization="gpt2")
    assert said == [
        "command line: tokenization: the dataset data/a holds char tokens (got 'gpt2'); "
        "leave the flag away, or prepare the dataset anew"
    ]


def test_phases_follow_one_another(workspace: Path) -> None:
    for name in ("one", "two"):
        write_dataset(workspace / "data" / name, train=[IDS], val=[IDS])
    data = opened(workspace, curriculum=phases("one", "two"))
    names = [data.phase_at(done).name for done in (0, 29, 30, 10_000)]
    assert names == ["one", "one", "two", "two"]
    assert len(describe(data)) == 2 and describe(data)[0].startswith("one: data/one: ")


def test_every_phase_that_is_wrong_is_named(workspace: Path) -> None:
    write_dataset(workspace / "data" / "one", train=[IDS], val=[IDS])
    write_dataset(workspace / "data" / "two", train=[IDS], val=[IDS], chars=CHARS + "0")
    write_dataset(workspace / "data" / "three", train=[IDS])
    curriculum = phases("one", "two", "three", "four")
    curriculum["phases"][1]["until_iter"] = 40
    curriculum["phases"][2]["until_iter"] = 50
    said = refusal(workspace, curriculum=curriculum)
    assert len(said) == 3
    assert said[0].startswith("data/two: was made with another tokenizer")
    assert "than the first phase" in said[0]
    assert said[1].startswith("data/three: the val split has no shards")
    assert said[2].startswith("dataset_dir: no such dataset (got 'data/four')")


def test_eval_sets_have_names_and_one_is_general(workspace: Path) -> None:
    for name in ("a", "b", "c"):
        write_dataset(workspace / "data" / name, train=[IDS], val=[IDS])
    data = opened(workspace, dataset_dir="data/a", eval_sets={"code": "data/b"}, eval_dataset_dir="data/c")
    assert list(data.eval_sets) == ["code", "general"]


def test_every_eval_set_that_is_wrong_is_named(workspace: Path) -> None:
    write_dataset(workspace / "data" / "a", train=[IDS], val=[IDS])
    write_dataset(workspace / "data" / "b", val=[IDS], chars="".join(reversed(CHARS)))
    write_dataset(workspace / "data" / "c", val=[IDS[:8]])
    sets = {"b": "data/b", "c": "data/c", "d": "data/d"}
    said = refusal(workspace, dataset_dir="data/a", eval_sets=sets)
    assert [line.split(": ")[0] for line in said] == ["data/b", "data/c", "eval set d"]
    assert "was made with another tokenizer" in said[0]


def test_a_loss_mask_needs_masks(workspace: Path) -> None:
    write_dataset(workspace / "data" / "a", train=[IDS], val=[IDS])
    assert refusal(workspace, dataset_dir="data/a", use_loss_mask=True) == [
        "data/a: has no loss masks; prepare it from conversations, or set use_loss_mask to false"
    ]
    write_dataset(workspace / "data" / "b", train=[IDS], val=[IDS], mask="u1")
    assert opened(workspace, dataset_dir="data/b", use_loss_mask=True).phases[0].train.has_masks


def test_a_dataset_that_does_not_say_its_tokenizer(workspace: Path) -> None:
    folder = write_dataset(workspace / "data" / "a", train=[IDS], val=[IDS])
    (folder / "tokenizer_state.json").unlink()
    said = refusal(workspace, dataset_dir="data/a", tokenization="char")
    assert said == [
        "data/a: does not say how it was tokenized; tokenizer_state.json is missing; prepare the dataset again"
    ]


def test_nanogpts_characters_are_read_without_running_its_pickle(workspace: Path) -> None:
    folder = workspace / "data" / "n"
    folder.mkdir(parents=True)
    for name in ("train", "val"):
        np.array(IDS, "<u2").tofile(folder / f"{name}.bin")
    meta = {
        "vocab_size": len(CHARS),
        "stoi": {c: i for i, c in enumerate(CHARS)},
        "itos": dict(enumerate(CHARS)),
    }
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
    data = opened(workspace, dataset_dir="data/n")
    assert data.tokenizer.decode(IDS[:40]) == story(400)[:40]


def test_gpt2_tokens_need_rows(workspace: Path) -> None:
    (said,) = refusal(workspace, input_file="input.txt", tokenization="gpt2", vocab_size=300)
    assert said.startswith("command line: vocab_size: the tokenizer has 50257 tokens")
    assert said.endswith("(got 300); use at least 50257")


def test_bpe_needs_its_file(workspace: Path) -> None:
    (said,) = refusal(workspace, input_file="input.txt", tokenization="bpe")
    assert said.startswith("tokenizer_file: bpe needs a tokenizer.json")
    (said,) = refusal(workspace, input_file="input.txt", tokenization="bpe", tokenizer_file="tok.json")
    assert said.startswith("tokenizer_file: no such file (got 'tok.json'); name a tokenizer.json")


def test_settings_about_episodes_are_not_silently_dropped(workspace: Path) -> None:
    data = opened(
        workspace, input_file="input.txt", tokenization="char", batch_sampling_mode="epoch", epoch_seed=7
    )
    assert data.notices == [
        "batch_sampling_mode has no effect: it is about episode-indexed datasets",
        "epoch_seed has no effect: it is about episode-indexed datasets",
    ]


def chat(workspace: Path, name: str = "e", **options: Any) -> str:
    for split in ("train", "val"):
        write_episodes(workspace / "data" / name, split, [IDS[:12], IDS[12:22], IDS[22:60]], **options)
    return f"data/{name}"


def test_episodes_are_described_and_remarked_upon(workspace: Path) -> None:
    data = opened(workspace, dataset_dir=chat(workspace), episode_min_tokens=11)
    assert describe(data) == ["data/e: 60 train tokens in 3 episodes, 60 val tokens in 3 episodes"]
    assert data.notices == [
        "data/e: 1 of 3 episodes have fewer than 11 tokens: left out",
        "data/e: 1 of 2 episodes are longer than block_size = 16: only their last tokens are used",
        "data/e has loss masks, which count for nothing while use_loss_mask is false: every token is learned",
    ]


def options_of(data: RunData, phase: int = 0) -> EpisodeOptions:
    train = data.phases[phase].train
    assert isinstance(train, EpisodeSplit)
    return train.options


def test_the_settings_of_episodes_reach_them(workspace: Path) -> None:
    given = {
        "batch_sampling_mode": "epoch",
        "pad_token_id": 3,
        "episode_min_tokens": 5,
        "epoch_seed": 9,
        "epoch_shuffle": False,
        "epoch_drop_last": False,
    }
    found = options_of(opened(workspace, dataset_dir=chat(workspace), **given))
    assert found == EpisodeOptions("epoch", 3, 5, 9, False, False, 1)


def test_a_phase_of_episodes_counts_from_where_it_begins(workspace: Path) -> None:
    chat(workspace, "one")
    chat(workspace, "two")
    data = opened(workspace, curriculum=phases("one", "two"))
    assert [options_of(data, n).first_update for n in (0, 1)] == [1, 31]


def test_padding_is_the_end_of_the_chat_where_there_is_one(workspace: Path) -> None:
    folder = workspace / chat(workspace)
    assert options_of(opened(workspace, dataset_dir="data/e")).pad_id == 0
    save(with_chat_tokens(Gpt2Tokenizer()), folder / "tokenizer_state.json")
    assert options_of(opened(workspace, dataset_dir="data/e", vocab_size=50304)).pad_id == 50275
    save(Gpt2Tokenizer(), folder / "tokenizer_state.json")
    assert options_of(opened(workspace, dataset_dir="data/e", vocab_size=50304)).pad_id == 50256


def test_padding_must_be_a_token(workspace: Path) -> None:
    assert refusal(workspace, dataset_dir=chat(workspace), pad_token_id=29) == [
        "pad_token_id: is no token: the vocabulary ends at 28 (got 29); leave it away"
    ]
    # Where nothing is padded it says nothing, and so does what is wrong with it.
    data = opened(workspace, input_file="input.txt", tokenization="char", pad_token_id=29)
    assert data.notices == ["pad_token_id has no effect: it is about episode-indexed datasets"]


def test_an_epoch_needs_a_batch(workspace: Path) -> None:
    given = {"dataset_dir": chat(workspace), "batch_sampling_mode": "epoch", "batch_size": 4}
    assert refusal(workspace, **given) == [
        "data/e: batch_size: has 3 episodes, fewer than a batch, so an epoch has none (got 4); use a smaller "
        "batch_size, or set epoch_drop_last to false"
    ]
    data = opened(workspace, **given, epoch_drop_last=False)
    assert data.notices[0] == "data/e: an epoch of 3 sequences takes 1 updates"


def test_masks_that_mark_nothing_are_nothing_to_learn_from(workspace: Path) -> None:
    none = [[0] * 12, [0] * 10, [0] * 38]
    chat(workspace, "none", mask=none)
    said = refusal(workspace, dataset_dir="data/none", use_loss_mask=True)
    assert said == [
        f"data/none: the loss masks of the {split} split mark no token; prepare it again, or set use_loss_mask to "
        "false"
        for split in ("train", "val")
    ]
    chat(workspace)
    (of_val,) = refusal(workspace, dataset_dir="data/e", eval_dataset_dir="data/none", use_loss_mask=True)
    assert of_val.startswith("data/none: the loss masks of the val split mark no token")
    assert opened(workspace, dataset_dir="data/none")


def test_an_episode_set_without_masks_is_nothing_for_a_loss_mask(workspace: Path) -> None:
    folder = workspace / chat(workspace)
    for split in ("train", "val"):
        (folder / split / "mask.bin").unlink()
    (said,) = refusal(workspace, dataset_dir="data/e", use_loss_mask=True)
    assert said.startswith("data/e: has no loss masks")


@pytest.fixture
def checkpoint(workspace: Path) -> Path:
    """A checkpoint of a char model, as far as data looks into it."""
    folder = workspace / "checkpoints" / "dante"
    folder.mkdir(parents=True)
    config = {**TINY, "vocab_size": len(CHARS), "dropout": 0.0, "bias": False}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps({"token_kind": "char", "chars": sorted(CHARS)}))
    state = {"step": 5, "training_config": {"input_file": "input.txt"}, "data_fingerprint": "of old"}
    (folder / "training_state.json").write_text(json.dumps(state))
    (folder / "model.pt").write_bytes(b"")
    return workspace


def test_characters_that_a_base_lacks_are_listed(checkpoint: Path) -> None:
    (checkpoint / "other.txt").write_text(story() + "ÄQ!" * 30)
    run = resolve(
        Request(model_name="c", init_from_model="dante", given={"input_file": "other.txt"}), checkpoint
    )
    with pytest.raises(UserError) as caught:
        open_data(run)
    assert "input_file: holds 3 characters that the model's vocabulary lacks: '!' 'Q' 'Ä'" in str(
        caught.value
    )


def test_a_dataset_of_another_tokenizer_is_refused_by_a_base(checkpoint: Path) -> None:
    write_dataset(checkpoint / "data" / "b", train=[IDS], val=[IDS], chars="".join(reversed(CHARS)))
    run = resolve(
        Request(model_name="c", init_from_model="dante", given={"dataset_dir": "data/b"}), checkpoint
    )
    with pytest.raises(UserError, match=r"was made with another tokenizer .* than the model has"):
        open_data(run)


def test_changed_data_ends_exactness_loudly(checkpoint: Path) -> None:
    data = open_data(resolve(Request(model_name="dante"), checkpoint))
    assert data.notices == [
        "the data has changed since the checkpoint was saved: from here on the run is no exact continuation"
    ]
    state = checkpoint / "checkpoints" / "dante" / "training_state.json"
    state.write_text(state.read_text().replace("of old", data.fingerprint))
    assert open_data(resolve(Request(model_name="dante"), checkpoint)).notices == []


def test_a_checkpoint_that_does_not_name_its_data(checkpoint: Path) -> None:
    state = checkpoint / "checkpoints" / "dante" / "training_state.json"
    state.write_text('{"step": 5, "training_config": {}}')
    with pytest.raises(
        UserError, match=r"checkpoints/dante/training_state\.json does not say what it was trained on"
    ):
        open_data(resolve(Request(model_name="dante"), checkpoint))
