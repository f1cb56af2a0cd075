"""Small modded-nanogpt networks, weights by formula, and their forward pass written down from the formulas alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mypt.model import GPTConfig, Modded

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

EPS = 1.1920929e-07


def config(arch: str = "modded_small", **fields: Any) -> GPTConfig:
    """A network of the real depth that a test can afford."""
    shape: dict[str, Any] = {
        "arch": arch,
        "n_layer": 12 if arch == "modded_small" else 16,
        "n_head": 2,
        "n_embd": 32,
        "vocab_size": 40,
        "block_size": 512,
        "dropout": 0.0,
        "norm_eps": EPS,
        "norm_type": "rmsnorm",
        "pos_encoding": "rope",
        "rope_theta": 1024.0,
        "activation": "relu2",
        "head_bias": False,
        "mlp_bias": False,
        "norm_bias": False,
        "document_token": 7,
        "batch_size": 2,
    }
    return GPTConfig(**(shape | fields))


def shapes(
    layers: int, width: int, vocabulary: int, *, medium: bool, world: int = 8
) -> dict[str, tuple[int, ...]]:
    """Names and shapes as the training scripts save them."""
    padded = -(-vocabulary // 128) * 128
    rows = vocabulary if medium else padded
    found: dict[str, tuple[int, ...]] = {"embed.weight": (rows, width)}
    found |= {f"value_embeds.{i}.weight": (rows, width) for i in range(3)}
    for i in range(layers):
        at = f"blocks.{i}"
        if medium:
            attention: dict[str, tuple[int, ...]] = {f"{at}.attn.qkvo_w": (4, width, width)}
            mlp: dict[str, tuple[int, ...]] = {
                f"{at}.mlp.fc_w": (4 * width, width),
                f"{at}.mlp.proj_w": (width, 4 * width),
            }
        else:
            attention = {
                f"{at}.attn.qkv_w": (3, width, width),
                f"{at}.attn.c_proj.weight": (width, width),
            }
            mlp = {f"{at}.mlp.c_fc.weight": (4 * width, width), f"{at}.mlp.c_proj.weight": (width, 4 * width)}
        found |= (attention if i != 7 else {}) | mlp
    found["lm_head_w" if medium else "lm_head.weight"] = (padded, width)
    found["scalars"] = (5 * layers + (0 if medium else -5 * layers % world),)
    return found


def by_formula(wanted: Mapping[str, tuple[int, ...]], layers: int) -> dict[str, Tensor]:
    """Weights that anybody can make again: sines by place and by the name's rank."""
    state = {}
    for rank, name in enumerate(sorted(wanted)):
        shape = wanted[name]
        place = np.arange(math.prod(shape))
        values = np.sin(0.37 * ((place % 9973) + 1) + rank)
        if name == "scalars":
            first = np.concatenate([np.ones(layers), np.tile([1.0, 0.0], layers), np.full(2 * layers, 0.5)])
            values = np.concatenate([first, np.ones(len(place) - len(first))]) + 0.1 * values
        elif "embed" not in name:
            values = values / math.sqrt(shape[-1]) * (8 if "lm_head" in name else 1)
        state[name] = torch.from_numpy(values.reshape(shape)).float()
    return state


def model(arch: str = "modded_small", seed: int = 3, **fields: Any) -> Modded:
    """A network whose every weight has a say in its logits."""
    built = Modded(config(arch, **fields), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return built


def reference(
    state: Mapping[str, Tensor],
    idx: Tensor,
    *,
    medium: bool,
    heads: int,
    window: int | None,
    document_token: int,
) -> Tensor:
    """Logits (T, V) of one sequence `idx` (T,), one head after the other, in float64 where that changes nothing."""
    w = {name: value.double() for name, value in state.items()}
    layers = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("blocks."))
    width = w["embed.weight"].size(1)
    scalars = w["scalars"]
    pattern = "LSSSLSSSSSSLSSSL" if medium else "LSSSLSSLSSSL"

    def rms(x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + EPS).sqrt()

    def turned(x: Tensor) -> Tensor:
        size = x.size(-1)
        live = [1024 ** (-j / (size // 4 - 1)) for j in range(size // 4)] + [0.0] * (size // 4)
        out = x.clone()
        for j, frequency in enumerate(live):
            angle = torch.arange(x.size(0), dtype=torch.float64) * frequency
            a, b = x[:, j], x[:, j + size // 2]
            out[:, j] = a * angle.cos() + b * angle.sin()
            out[:, j + size // 2] = b * angle.cos() - a * angle.sin()
        return out

    sights = {sight: seen(idx, sight, document_token) for sight in {window, window and window // 2}}
    x0 = x = rms(w["embed.weight"][idx])
    out: list[Tensor] = []
    for i in range(layers):
        if medium and i in (9, 10, 11):
            source = {9: 6, 10: 4, 11: 2}[i]
            x = x + scalars[source] * out[source]
        elif not medium and i >= layers // 2:
            x = x + scalars[i - layers // 2] * out[layers - 1 - i]
        x = scalars[layers + 2 * i] * x + scalars[layers + 2 * i + 1] * x0
        if i != 7:
            h = x if medium else rms(x)
            qkv = w[f"blocks.{i}.attn.{'qkvo_w' if medium else 'qkv_w'}"]
            q, k, v = (h @ qkv[n].T for n in range(3))
            size = q.size(1) // heads
            table = i if i < 3 else i - (layers - 3)
            visible = sights[window if pattern[i % len(pattern)] == "L" else window and window // 2]
            mixed = torch.zeros_like(q)
            for head in range(heads):
                rows = slice(head * size, (head + 1) * size)
                values = rms(v[:, rows]) if medium else v[:, rows]
                values = scalars[3 * layers + 2 * i] * values
                if table >= 0:
                    extra = w[f"value_embeds.{table}.weight"][idx][:, rows]
                    values = values + scalars[3 * layers + 2 * i + 1] * extra
                scores = 0.12 * turned(rms(q[:, rows])) @ turned(rms(k[:, rows])).T
                mixed[:, rows] = scores.masked_fill(~visible, -math.inf).softmax(-1) @ values
            output = qkv[3] if medium else w[f"blocks.{i}.attn.c_proj.weight"]
            x = x + mixed @ output.T
        up, down = ("fc_w", "proj_w") if medium else ("c_fc.weight", "c_proj.weight")
        x = x + (rms(x) @ w[f"blocks.{i}.mlp.{up}"].T).relu().square() @ w[f"blocks.{i}.mlp.{down}"].T
        out.append(x)
    z = rms(x) @ w["lm_head_w" if medium else "lm_head.weight"].T
    if medium:
        return 15 * z / (z.square() + 225).sqrt()
    return 15 + 15 * (z / (15 * math.sqrt(width))).tanh()


def seen(idx: Tensor, window: int | None, document_token: int, block: int = 128) -> Tensor:
    """(T, T), true where a query sees a key: documents, and the lists of full and partial blocks of FlexAttention."""
    tokens = idx.tolist()
    length = len(tokens)
    documents, count = [], 0
    for token in tokens:
        count += token == document_token
        documents.append(count)
    blocks = -(-length // block)
    low = [documents[b * block] for b in range(blocks)]
    high = [documents[min((b + 1) * block, length) - 1] for b in range(blocks)]
    kept: list[set[int]] = []
    for i in range(blocks):
        some = [j for j in range(i + 1) if low[i] <= high[j] and low[j] <= high[i]]
        full = [j for j in some if j < i and low[i] == high[j] and high[i] == low[j]]
        partial = [j for j in some if j not in full]
        if window is None:
            kept.append(set(some))
            continue
        nearest_full = max(min(len(full), window - 1), 0)
        nearest_partial = min(len(partial), max(window - len(full), 1))
        kept.append(set(full[len(full) - nearest_full :]) | set(partial[len(partial) - nearest_partial :]))
    rows = [
        [k <= q and documents[q] == documents[k] and k // block in kept[q // block] for k in range(length)]
        for q in range(length)
    ]
    return torch.tensor(rows)
