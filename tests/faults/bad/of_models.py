"""Who reads models: our own bundles, and the checkpoints of other programs."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mypt.bundle import list_bundles
from mypt.watch.checkpoints import lineage
from tests.faults.bad.judge import Reader, command, hostile
from tests.workbench import SHAPE, story
from tui.screens.checkpoints.details import TABS, head, section
from tui.screens.checkpoints.rows import tree_rows

# ── our own ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _make_bundle(folder: Path) -> None:
    """A model that was trained for two steps; where another reader has had one trained, that one."""
    before = folder.parent / "bundle"
    if before.is_dir():
        shutil.copytree(before, folder, dirs_exist_ok=True)
        return
    (folder / "input.txt").write_text(story(1500))
    fixed = (
        "--eval_iters",
        "1",
        "--eval_interval",
        "2",
        "--sample_interval",
        "0",
        "--device",
        "cpu",
        "--compile",
        "off",
    )
    words = ("--input_file", "input.txt", "--tokenization", "char", *SHAPE, *fixed)
    command("--workspace", str(folder), "train", "--model_name", "m", "--max_iters", "2", *words, fine=(0,))
    for unneeded in ("m_fp16", "m_gold"):
        for file in (folder / "checkpoints" / unneeded).iterdir():
            file.unlink()
        (folder / "checkpoints" / unneeded).rmdir()
    (folder / "checkpoints" / "m" / "manifest.json").unlink()


def _make_with_manifest(folder: Path) -> None:
    from mypt.fsio import write_json_atomic

    _make_bundle(folder)
    bundle = folder / "checkpoints" / "m"
    sizes = {file.name: file.stat().st_size for file in bundle.iterdir()}
    write_json_atomic(bundle / "manifest.json", {"files": sizes})


def _read_bundle(place: Path, chance: random.Random) -> None:
    import mypt
    from mypt.training import checkpointing

    infos = list_bundles(place / "checkpoints")
    rows = tree_rows(lineage(infos))
    for info in infos:
        assert not hostile(info.problem), info.problem
        for tab in TABS[:4]:
            for line in section(tab, info, 60, {}):
                assert not (wrong := hostile(line.plain)), f"{wrong}: {line.plain!r}"
    for row in rows:
        head(row, None, {})
    what = chance.random()
    words: tuple[str, ...] = ()
    if what < 0.05:
        words = ("inspect", "--model_name", "m")
    elif what < 0.1:
        words = ("generate", "--model_name", "m", "--max_new_tokens", "3", "--device", "cpu")
    elif what < 0.13:
        words = ("train", "--model_name", "m", "--max_iters", "4", "--dry_run")
    elif what < 0.16:
        words = ("compare", "m", "m", "--format", chance.choice(("text", "json", "csv", "md")), "--details")
    elif what < 0.18:
        words = ("tokenizer", "show", "m", "--text", "a b")
    elif what < 0.2:
        words = ("status", "--json")
    elif what < 0.22:
        words = ("import", "checkpoints/m", "--dry_run", "--json")
    elif what < 0.24:
        words = (
            "train",
            "--init_from_model",
            "m",
            "--model_name",
            "n",
            "--dry_run",
            "--input_file",
            "input.txt",
        )
    if words:
        command("--workspace", str(place), *words)
        return
    loaded = mypt.load_bundle("m", place)
    loaded.generate("a" if not loaded.tokenizer.unknown("a") else "", max_new_tokens=2, seed=1)
    _ = loaded.step, loaded.optimizer_state
    info = loaded.info
    checkpointing.updates_done(info)
    _ = info.base, info.has_done(3), info.remedy, info.is_classifier, info.size


def _read_resumed(place: Path, chance: random.Random) -> None:
    """A run goes on from it, for one update; it may also find that there is nothing to do."""
    command("--workspace", str(place), "train", "--model_name", "m", "--max_iters", "3")


# ── those of others ─────────────────────────────────────────────────────────────────────────────────────────────


def _make_nanogpt(folder: Path) -> None:
    import torch

    width, rows, context, layers = 8, 20, 8, 2
    state: dict[str, Any] = {
        "transformer.wte.weight": torch.rand(rows, width),
        "transformer.wpe.weight": torch.rand(context, width),
    }
    for i in range(layers):
        at = f"transformer.h.{i}."
        state |= {f"{at}{name}.weight": torch.rand(width) for name in ("ln_1", "ln_2")}
        shapes = {
            "attn.c_attn": (3 * width, width),
            "attn.c_proj": (width, width),
            "mlp.c_fc": (4 * width, width),
            "mlp.c_proj": (width, 4 * width),
        }
        state |= {f"{at}{name}.weight": torch.rand(*shape) for name, shape in shapes.items()}
    state |= {"transformer.ln_f.weight": torch.rand(width), "lm_head.weight": state["transformer.wte.weight"]}
    arguments = {
        "n_layer": layers,
        "n_head": 2,
        "n_embd": width,
        "block_size": context,
        "bias": False,
        "vocab_size": rows,
        "dropout": 0.0,
    }
    content = {
        "model": {f"_orig_mod.{name}": value for name, value in state.items()},
        "model_args": arguments,
        "iter_num": 30,
        "best_val_loss": torch.tensor(3.2),
        "config": {"dataset": "x"},
    }
    torch.save(content, folder / "ckpt.pt")


def _make_modded(medium: bool) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from tests.interop.foreign import modded_state, write_modded

        write_modded(
            folder / "state.pt",
            modded_state(medium=medium, vocabulary=16, width=16, layers=12 if medium else 6),
            config={"num_heads": 2},
        )

    return make


def _make_hf(kind: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import torch
        from safetensors.torch import save_file

        width, rows, context, layers, hidden = 8, 20, 8, 2, 24
        folder = folder / "hf"
        folder.mkdir()
        state: dict[str, Any] = {}
        config: dict[str, Any]
        if kind == "gpt2":
            state |= {
                "transformer.wte.weight": torch.rand(rows, width),
                "transformer.wpe.weight": torch.rand(context, width),
            }
            shapes = {
                "attn.c_attn": (width, 3 * width),
                "attn.c_proj": (width, width),
                "mlp.c_fc": (width, 4 * width),
                "mlp.c_proj": (4 * width, width),
            }
            for i in range(layers):
                at = f"transformer.h.{i}."
                for name in ("ln_1", "ln_2"):
                    state |= {f"{at}{name}.{end}": torch.rand(width) for end in ("weight", "bias")}
                for name, shape in shapes.items():
                    state |= {
                        f"{at}{name}.weight": torch.rand(*shape),
                        f"{at}{name}.bias": torch.rand(shape[1]),
                    }
            state |= {f"transformer.ln_f.{end}": torch.rand(width) for end in ("weight", "bias")}
            config = {
                "model_type": "gpt2",
                "n_layer": layers,
                "n_head": 2,
                "n_embd": width,
                "n_positions": context,
                "vocab_size": rows,
                "activation_function": "gelu_new",
                "layer_norm_epsilon": 1e-5,
                "resid_pdrop": 0.1,
                "n_inner": None,
                "tie_word_embeddings": True,
            }
        else:
            state |= {
                "model.embed_tokens.weight": torch.rand(rows, width),
                "model.norm.weight": torch.rand(width),
                "lm_head.weight": torch.rand(rows, width),
            }
            for i in range(layers):
                at = f"model.layers.{i}."
                state |= {
                    f"{at}{name}.weight": torch.rand(width)
                    for name in ("input_layernorm", "post_attention_layernorm")
                }
                shapes = {
                    "q": (width, width),
                    "k": (width // 2, width),
                    "v": (width // 2, width),
                    "o": (width, width),
                }
                state |= {
                    f"{at}self_attn.{name}_proj.weight": torch.rand(*shape) for name, shape in shapes.items()
                }
                shapes = {"gate": (hidden, width), "up": (hidden, width), "down": (width, hidden)}
                state |= {f"{at}mlp.{name}_proj.weight": torch.rand(*shape) for name, shape in shapes.items()}
            config = {
                "model_type": "llama",
                "num_hidden_layers": layers,
                "hidden_size": width,
                "vocab_size": rows,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "intermediate_size": hidden,
                "max_position_embeddings": context,
                "rms_norm_eps": 1e-6,
                "rope_scaling": {"rope_type": "linear", "factor": 2.0},
                "rope_theta": 10000.0,
                "head_dim": 2,
                "hidden_act": "silu",
                "attention_bias": False,
                "mlp_bias": False,
                "tie_word_embeddings": False,
            }
            names = sorted(state)
            parts = {
                "model-00001-of-00002.safetensors": names[: len(names) // 2],
                "model-00002-of-00002.safetensors": names[len(names) // 2 :],
            }
            for file, held in parts.items():
                save_file({name: state[name] for name in held}, folder / file)
            index = {
                "metadata": {"total_size": 1},
                "weight_map": {name: file for file, held in parts.items() for name in held},
            }
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        if kind == "gpt2":
            save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(config))

    return make


def _make_single(folder: Path) -> None:
    """The single file of the original's past: config, tokenizer and weights in one."""
    import torch

    from mypt.model import build_model
    from mypt.settings.model_config import GPTConfig

    chars = sorted(set(story(500)))
    config = GPTConfig(
        batch_size=2, block_size=8, vocab_size=len(chars), n_embd=8, n_head=2, n_layer=1, dropout=0.0
    )
    tokenizer = {"token_kind": "char", "chars": chars}
    content = {
        "step": 4,
        "config": config.to_dict(),
        "tokenizer": tokenizer,
        "model_state_dict": build_model(config, seed=1).state_dict(),
    }
    torch.save(content, folder / "latest.pt")


def _read_foreign(name: str) -> Callable[[Path, random.Random], None]:
    def read(place: Path, chance: random.Random) -> None:
        from mypt.interop.checkpoints import recognise

        if chance.random() < 0.04:
            command(
                "--workspace",
                str(place),
                "import",
                name,
                "--dry_run",
                *(["--json"] * (chance.random() < 0.5)),
            )
            return
        if chance.random() < 0.04:
            try:
                command("--workspace", str(place), "import", name, "--model_name", "i")
            finally:
                shutil.rmtree(place / "checkpoints", ignore_errors=True)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seen = recognise(place / name)
            json.dumps({key: str(value) for key, value in seen.info.items()})
            assert seen.notes is not None
            model = seen.load()
        assert model.num_parameters() < 10**6

    return read


def _foreign(make: Callable[[Path], None], name: str, *patterns: str, also: tuple[str, ...] = ()) -> Reader:
    # Of a folder, it is the folder that a message names; of shapes and names of weights, their place in the file.
    return Reader(make, patterns or (name,), _read_foreign(name), also=(name, *also), at_rest=True)


_ALL = ("checkpoints/m/*",)
#: What is wrong with a text, because a vocabulary, a context or its own name is another, is told of the text.
_OF_BUNDLE = (
    "checkpoints/m",
    "m/",
    "the model's vocabulary lacks",
    "fewer than one block of",
    "input_file: no such",
)

READERS: dict[str, Reader] = {
    "bundle": Reader(_make_bundle, _ALL, _read_bundle, at_rest=True, also=_OF_BUNDLE),
    "bundle-manifest": Reader(_make_with_manifest, _ALL, _read_bundle, at_rest=True, also=_OF_BUNDLE),
    "resumed": Reader(
        _make_bundle,
        _ALL,
        _read_resumed,
        at_rest=True,
        also=(*_OF_BUNDLE, "checkpoint m"),
        writes=True,
    ),
    "nanogpt": _foreign(_make_nanogpt, "ckpt.pt", also=("model_args", "n_head")),
    "modded-small": _foreign(_make_modded(False), "state.pt", also=("n_head",)),
    "modded-medium": _foreign(_make_modded(True), "state.pt", also=("n_head",)),
    "gpt2": _foreign(_make_hf("gpt2"), "hf", "hf/*"),
    "llama": _foreign(_make_hf("llama"), "hf", "hf/*"),
    "latest.pt": _foreign(_make_single, "latest.pt", also=("tokenizer.json",)),
}
