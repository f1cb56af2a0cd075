"""From settings alone: parameters, work and memory of a model, and what a device could do at best. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mypt.settings.model_config import MODDED_ARCHS, GPTConfig

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# The layer of modded-nanogpt's networks that has an MLP alone.
_WITHOUT_ATTENTION = 7
#: Moments that an optimizer keeps, in float32 numbers a parameter.
_MOMENTS = {"adamw": 2, "sgd": 0}


def parameters(config: GPTConfig) -> int:
    """Trainable numbers of the real model; a tied matrix counts once, and a classifier's own matrix as well."""
    c = config
    classifier = c.extra.get("classifier")
    if isinstance(classifier, dict):
        classes = classifier.get("classes")
        plain = parameters(replace(c, extra={}))
        return plain + (len(classes) * c.n_embd if isinstance(classes, list) else 0)
    if c.arch in MODDED_ARCHS:
        return _modded_tables(c) + _modded_matrices(c) + 5 * c.n_layer
    width, hidden = c.n_embd, c.mlp_hidden
    norm = width * (2 if c.norm_type == "layernorm" and c.norm_bias else 1)
    inner = c.n_head * c.head_size
    qkv_rows = inner + 2 * c.kv_heads * c.head_size
    attention = width * qkv_rows + inner * width + (qkv_rows + width if c.bias else 0)
    if c.mlp_type == "swiglu":
        mlp = 3 * width * hidden
    else:
        mlp = 2 * width * hidden + (hidden + width if c.mlp_bias else 0)
    block = attention + mlp + 2 * norm
    head = (0 if c.tie_weights else c.logit_rows * width) + (c.logit_rows if c.head_bias else 0)
    positions = c.block_size * width if c.pos_encoding == "learned" else 0
    return c.vocab_size * width + positions + c.n_layer * block + norm + head


def _modded_tables(c: GPTConfig) -> int:
    """Numbers in the tables of modded-nanogpt: the token embedding, and three of value embeddings."""
    return c.vocab_size * (c.n_embd + 3 * c.n_head * c.head_size)


def _modded_matrices(c: GPTConfig) -> int:
    """Numbers in its products: the attention of all layers but one, their MLPs, the head."""
    attentions = c.n_layer - (c.n_layer > _WITHOUT_ATTENTION)
    attention = 4 * c.n_head * c.head_size * c.n_embd
    return attentions * attention + c.n_layer * 2 * c.n_embd * c.mlp_hidden + c.logit_rows * c.n_embd


def flops_per_token(config: GPTConfig) -> float:
    """Floating-point operations to train on one token: 6·N + 12·L·d·T (Chowdhery et al. 2022, appendix B).

    N are the parameters that take part in products: not the tables that rows are only looked up in. Causal masking
    is not subtracted, as is the custom, so that utilisation compares with published numbers.
    """
    c = config
    if c.arch in MODDED_ARCHS:
        seen = 12.0 * (c.n_layer - (c.n_layer > _WITHOUT_ATTENTION)) * c.n_head * c.head_size * c.block_size
        return 6.0 * _modded_matrices(c) + seen
    looked_up = c.block_size * c.n_embd if c.pos_encoding == "learned" else 0
    if not c.tie_weights:
        looked_up += c.vocab_size * c.n_embd
    return 6.0 * (parameters(c) - looked_up) + 12.0 * c.n_layer * c.n_head * c.head_size * c.block_size


def utilisation(config: GPTConfig, tokens_per_second: float, peak: float | None) -> float | None:
    """Model FLOPs utilisation, 0 to 1, at `tokens_per_second` in all against `peak` FLOP/s in all; None without one."""
    return None if not peak else tokens_per_second * flops_per_token(config) / peak


#: What Python, torch and its libraries hold before a model is there, measured on Linux (benchmarks/memory.py).
PROCESS_ON_CPU = 380_000_000
# What glibc's allocator holds back, fitted to measured peaks (ratios in docs/benchmarks.md): blocks up to a size come
# from a heap that has holes, larger ones from the system itself.
_HEAP_LIMIT = 32 << 20
_HOLES = 8
_HOLES_PER_KEPT = 0.15
# Gradients and products that one layer's backward pass holds at once, beside what the forward pass kept.
_IN_WORK = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a training needs on one device, by what they hold."""

    #: Parameters in float32, and their copies in the compute dtype.
    weights: int
    #: Gradients, float32.
    gradients: int
    #: The optimizer's moments, float32.
    optimizer: int
    #: What the blocks keep for the backward pass.
    activations: int
    #: The log-softmax of the logits, and the two gradients that meet it.
    logits: int
    #: Python, torch and its libraries, and what the allocator holds back; on CPUs only.
    process: int
    #: What checkpoints are written from while training goes on, where the device computes in main memory.
    copy: int
    #: The same in main memory, where the device has memory of its own; not of it, and so not in the total.
    aside: int
    #: The most that is held at one moment.
    total: int


def memory(
    config: GPTConfig,
    *,
    batch_size: int | None = None,
    grad_accum_steps: int = 1,
    dtype: str = "float32",
    optimizer: str = "adamw",
    kernel: str = "sdpa",
    device_type: str = "cuda",
    copied: bool = False,
) -> Memory:
    """The memory of a training with `batch_size` sequences (the config's where None) of `block_size` tokens a step.

    A token and layer keep, with element size s of `dtype` (float32, bfloat16, float16) and width C: the inputs of two
    norms (4C bytes each, the stream is float32); norm outputs, q, k, v and the attention's output (6sC); in the MLP 2
    (GELU) or 4 (SwiGLU) hidden vectors; a mask for each dropout; and with the plain kernel a row of attention weights
    a head. With activation checkpointing only one input a layer stays, and one layer at a time is whole. The peak is
    either at the start of the backward pass (activations and logits, gradients only of earlier micro-batches) or at
    its end (gradients). On CPUs the process itself and the holes in its heap are added; on GPUs what driver, libraries
    and allocator take for themselves is not included, nor anywhere a text that is read whole. With `copied` checkpoints
    are written from a copy of weights and moments.
    """
    c = config
    size = _BYTES[dtype]
    tokens = (c.batch_size if batch_size is None else batch_size) * c.block_size
    count = parameters(c)
    weights = count * (4 if size == 4 else 4 + size)
    gradients = 4 * count
    moments = 4 * count * _MOMENTS[optimizer]
    layer = tokens * _layer_bytes(c, size, kernel, device_type)
    stream = 4 * tokens * c.n_embd
    last_norm = stream + size * tokens * c.n_embd
    activations = last_norm + (c.n_layer * stream + layer if c.use_checkpoint else c.n_layer * layer)
    logits = 12 * tokens * c.logit_rows
    widest = max(
        4 * c.n_embd, size * c.mlp_hidden, size * c.n_head * c.block_size if kernel == "plain" else 0
    )
    process = 0
    if device_type == "cpu":
        holes = _HOLES * min(tokens * widest, _HEAP_LIMIT) + round(_HOLES_PER_KEPT * activations)
        process = PROCESS_ON_CPU + holes
    of_copy = 4 * count + moments if copied else 0
    copy, aside = (0, of_copy) if device_type == "cuda" else (of_copy, 0)
    held = weights + moments + copy
    backward_begins = held + activations + max(logits, _IN_WORK * tokens * widest)
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=moments,
        activations=activations,
        logits=logits,
        process=process,
        copy=copy,
        aside=aside,
        total=process + max(backward_begins + (gradients if grad_accum_steps > 1 else 0), held + gradients),
    )


def _layer_bytes(c: GPTConfig, size: int, kernel: str, device_type: str) -> int:
    """Bytes a token that one block keeps for its backward pass."""
    width, cpu = c.n_embd, device_type == "cpu"
    # On CPUs torch keeps dropout masks as numbers of the compute dtype, and the inside of RMSNorm.
    mask = size if cpu else 1
    kept = 8 * width + 6 * size * width + size * c.mlp_hidden * (4 if c.mlp_type == "swiglu" else 2)
    if c.norm_type == "rmsnorm" and cpu:
        kept += 8 * width
    if c.dropout:
        kept += 2 * mask * width
    scores = c.n_head * c.block_size
    if kernel == "plain":
        return kept + scores * (2 * size + mask if c.dropout else size)
    if c.dropout and cpu:
        # The fused kernel of CPUs has no dropout: torch computes in float32 and keeps weights, mask and product.
        return kept + 12 * scores + (12 - 3 * size) * width
    if c.pos_encoding == "rope":
        # Turned queries and keys, beside the unturned that share their memory with the values.
        kept += 2 * size * width
    return kept


# Dense tensor-core peaks in TFLOP/s from the makers' data sheets (accumulating in float32). The most specific name
# comes first; a name is matched by whole words, since "L4" is part of "L40S" and "H100" of nothing else.
_PEAKS: tuple[tuple[frozenset[str], float], ...] = tuple(
    (frozenset(words.split()), tflops)
    for words, tflops in (
        ("gb200", 2500.0),
        ("b200", 2250.0),
        ("h200 nvl", 835.0),
        ("h200", 989.0),
        ("h100 nvl", 835.0),
        ("h100 pcie", 756.0),
        ("h100", 989.0),
        ("a100", 312.0),
        ("l40s", 362.0),
        ("l4", 121.0),
        ("a40", 149.7),
        ("a30", 165.0),
        ("a10g", 125.0),
        ("rtx 5090", 209.5),
        ("rtx 4090", 165.2),
        ("rtx 3090", 71.0),
        ("mi355x", 2500.0),
        ("mi325x", 1307.0),
        ("mi300x", 1307.0),
    )
)
# These have tensor cores for float16 only.
_FLOAT16_PEAKS = ((frozenset({"v100"}), 125.0), (frozenset({"t4"}), 65.0))
# A slice of a card or a relative of it with other clocks: its peak is not the card's.
_RELATIVES = frozenset({"laptop", "max", "mig", "ti", "d"})


def peak_flops(device_name: str, dtype: str = "bfloat16") -> float | None:
    """Best FLOP/s of one device by its name as torch gives it, for products in `dtype`; None where not known.

    Only for bfloat16 and float16: in float32 a peak depends on settings that a name does not tell.
    """
    words = set(re.split(r"[^a-z0-9]+", device_name.lower()))
    if dtype not in ("bfloat16", "float16") or words & _RELATIVES:
        return None
    table = _PEAKS + (_FLOAT16_PEAKS if dtype == "float16" else ())
    return next((tflops * 1e12 for name, tflops in table if name <= words), None)
