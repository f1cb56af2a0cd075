"""List the presets with their real sizes, or show one in detail."""

from __future__ import annotations

import argparse
from pathlib import Path

from mypt.errors import MyptError
from mypt.estimate import parameters
from mypt.settings.presets import Preset, find_preset, list_presets, load_preset, shipped_directory
from mypt.settings.resolve import as_text
from mypt.text import printable

_LINE = "=" * 70


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One preset, or all."""
    parser.add_argument("--config_file", metavar="PRESET", help="show this preset in detail")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Print the table, or the details."""
    if options.config_file:
        path = find_preset(workspace, options.config_file)
        _details(load_preset(path), _shown(path, workspace))
    else:
        _table(list_presets(workspace), workspace)
    return 0


def _table(paths: list[Path], workspace: Path) -> None:
    print(f"{_LINE}\nAvailable Model Configurations\n{_LINE}\n")
    heads = ("File", "Name", "Params", "Layers", "Heads", "Embed")
    widths = (22, 22, 12, 8, 8, 8)
    print(" ".join(f"{head:<{width}}" for head, width in zip(heads, widths, strict=True)).rstrip())
    print(" ".join("-" * width for width in widths))
    for path in paths:
        name = (
            path.relative_to(workspace / "configs")
            if path.is_relative_to(workspace / "configs")
            else path.name
        )
        try:
            preset = load_preset(path)
        except MyptError as error:
            print(f"{printable(str(name)):<22} broken: {str(error).splitlines()[0]}")
            continue
        v = preset.values
        row = (str(name), preset.name, _millions(preset), v["n_layer"], v["n_head"], v["n_embd"])
        print(" ".join(f"{printable(str(cell)):<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip())
    print(f"\n{_LINE}\n\nTo use a config:")
    print("  mypt train --config_file configs/<filename> --model_name <name> --input_file <data>")
    print("\nTo view details:\n  mypt show-configs --config_file configs/<filename>")
    print(_LINE)


def _details(preset: Preset, shown: str) -> None:
    v, config = preset.values, preset.config()
    print(f"{_LINE}\nConfig: {printable(preset.name)}\nFile: {printable(shown)}\n{_LINE}")
    if preset.description:
        print(f"Description: {printable(preset.description)}")
    print("\nArchitecture:")
    for label, value in (
        ("Layers", config.n_layer),
        ("Heads", config.n_head),
        ("Embedding", config.n_embd),
        ("Block size", config.block_size),
        ("Vocab size", config.vocab_size),
        ("Dropout", config.dropout),
        ("Bias", config.bias),
        ("Positions", config.pos_encoding),
        ("MLP", config.mlp_type),
        ("Norm", config.norm_type),
        ("Tied", config.tie_weights),
    ):
        print(f"  {label:<12}: {value}")
    total = parameters(config)
    print(f"\nParameters:\n  {'Total':<12}: {total:,} ({_millions(preset)})")
    print(f"  {'Batch size':<12}: {v['batch_size']}")
    shape = set(config.to_dict())
    others = {name: value for name, value in v.items() if name not in shape}
    if others:
        print("\nTraining:")
        for name, value in others.items():
            print(f"  {name:<16}: {printable(as_text(value))}")
    for notice in preset.notices:
        print(f"\nNote: {printable(notice)}")
    print(
        f"\nUsage:\n  mypt train --config_file {printable(shown)} --model_name my_model --input_file input.txt"
    )
    print(_LINE)


def _millions(preset: Preset) -> str:
    return f"{parameters(preset.config()) / 1e6:.2f}M"


def _shown(path: Path, workspace: Path) -> str:
    if path.is_relative_to(workspace):
        return path.relative_to(workspace).as_posix()
    return f"configs/{path.name}" if path.parent == shipped_directory() else str(path)
