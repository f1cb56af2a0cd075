"""List the presets with their real sizes, or show one in detail."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mypt.errors import MyptError
from mypt.estimate import parameters
from mypt.settings.checks import DATA_FIELDS
from mypt.settings.presets import Preset, find_preset, list_presets, load_preset, shown_path
from mypt.settings.resolve import as_text
from mypt.text import printable

_LINE = "=" * 70
_HEADS = ("File", "Name", "Params", "Layers", "Heads", "Embed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One preset, or all."""
    parser.add_argument("--config_file", metavar="PRESET", help="show this preset in detail")


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Print the table, or the details."""
    if options.config_file:
        path = find_preset(workspace, options.config_file)
        _details(load_preset(path), shown_path(path, workspace))
    else:
        _table(list_presets(workspace), workspace)
    return 0


def _table(paths: list[Path], workspace: Path) -> None:
    print(f"{_LINE}\nAvailable Model Configurations\n{_LINE}\n")
    rows = [_row(path, workspace) for path in paths]
    whole = [row for row in rows if isinstance(row, tuple)]
    widths = [
        max(least, *(len(row[column]) for row in whole)) if whole else least
        for column, least in enumerate((20, 15, 12, 8, 8, 8))
    ]
    for cells in (_HEADS, ["-" * width for width in widths], *rows):
        if isinstance(cells, str):
            print(cells)
        else:
            print(" ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    print(f"\n{_LINE}\n\nTo use a config:")
    print("  mypt train --config_file configs/<filename> --model_name <name> --input_file <data>")
    print("\nTo view details:\n  mypt show-configs --config_file configs/<filename>")
    print(_LINE)


def _row(path: Path, workspace: Path) -> tuple[str, ...] | str:
    """The cells of a preset's line; where it is broken, a line that says so."""
    own = workspace / "configs"
    file = printable(str(path.relative_to(own) if path.is_relative_to(own) else path.name), newline=False)
    try:
        preset = load_preset(path)
    except MyptError as error:
        return f"{file:<20} broken: {str(error).splitlines()[0]}"
    v = preset.values
    cells = (preset.name, _millions(preset), v["n_layer"], v["n_head"], v["n_embd"])
    return (file, *(printable(str(cell), newline=False) for cell in cells))


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
    print(f"\nUsage:\n  mypt train --config_file {printable(shown)} --model_name my_model{_data(v)}")
    print(_LINE)


def _data(values: dict[str, Any]) -> str:
    """The flags that name data for a preset with these values: none where it has its own, which a flag would replace."""
    if any(values.get(name) is not None for name in DATA_FIELDS):
        return ""
    if values.get("use_loss_mask"):
        return " --init_from_model BASE --dataset_dir data/chat"
    return " --input_file input.txt"


def _millions(preset: Preset) -> str:
    return f"{parameters(preset.config()) / 1e6:.2f}M"
