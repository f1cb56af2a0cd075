from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mypt.estimate import PROCESS_ON_CPU, flops_per_token, memory, parameters, peak_flops, utilisation
from mypt.machine import saves_behind
from mypt.model import GPT, GPTConfig
from mypt.settings.fields import Settings

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

UNIFIED = GPTConfig.for_new_model(
    n_layer=32,
    n_embd=1280,
    n_head=20,
    vocab_size=50304,
    block_size=1024,
    pos_encoding="rope",
    mlp_type="swiglu",
    norm_type="rmsnorm",
    tie_weights=True,
)


@st.composite
def configs(draw: st.DrawFn) -> GPTConfig:
    heads, group = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    flags: dict[str, Any] = {
        name: draw(st.booleans()) for name in ("bias", "tie_weights", "head_bias", "mlp_bias", "norm_bias")
    }
    return GPTConfig(
        n_head=heads * group,
        n_kv_head=draw(st.sampled_from([None, heads])),
        n_embd=heads * group * 2 * draw(st.integers(1, 6)),
        n_layer=draw(st.integers(1, 3)),
        vocab_size=draw(st.integers(1, 90)),
        block_size=draw(st.integers(1, 20)),
        pos_encoding=draw(st.sampled_from(["learned", "rope"])),
        mlp_type=draw(st.sampled_from(["gelu", "swiglu"])),
        norm_type=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        mlp_hidden_size=draw(st.sampled_from([None, 10])),
        **flags,
    )


@given(configs())
@settings(max_examples=150, deadline=None)
def test_parameters_are_those_of_the_real_model(config: GPTConfig) -> None:
    model = GPT(config, seed=None)
    assert parameters(config) == model.num_parameters() == sum(p.numel() for p in model.parameters())


def test_the_unified_preset_has_698_9_million() -> None:
    assert round(parameters(UNIFIED) / 1e6, 1) == 698.9
    assert parameters(UNIFIED) == 698_860_800


def test_flops_leave_out_tables_that_are_only_looked_up() -> None:
    attention = 12 * 32 * 1280 * 1024
    assert flops_per_token(UNIFIED) == 6 * 698_860_800 + attention
    shape: dict[str, Any] = {"n_layer": 2, "n_embd": 8, "n_head": 2, "vocab_size": 30, "block_size": 4}
    tied, untied = GPTConfig(tie_weights=True, **shape), GPTConfig(**shape)
    assert flops_per_token(tied) == flops_per_token(untied)
    assert flops_per_token(tied) == 6 * (parameters(tied) - 4 * 8) + 12 * 2 * 8 * 4


def test_utilisation() -> None:
    assert utilisation(UNIFIED, 100_000, 989e12) == pytest.approx(100_000 * flops_per_token(UNIFIED) / 989e12)
    assert utilisation(UNIFIED, 100_000, None) is None


def saved_bytes(config: GPTConfig, kernel: str, dtype: str) -> int:
    """Bytes of distinct memory that a real forward pass keeps for its backward pass, weights not counted."""
    model = GPT(config, seed=0).train()
    model.set_kernel(kernel)
    own = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    # Holding the tensors keeps their addresses from being used twice.
    kept: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    idx = torch.zeros(config.batch_size, config.block_size, dtype=torch.int64)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"),
    ):
        model(idx, idx)
    # The autocast copies of the matrices are kept too, and are counted among the weights.
    copies = 2 * sum(p.numel() for n, p in model.named_parameters() if p.dim() == 2 and "table" not in n)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    return sum(size for address, size in storages.items() if address not in own) - (
        copies if dtype == "bfloat16" else 0
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"mlp_type": "swiglu"}, {"pos_encoding": "rope"}, {"norm_type": "rmsnorm"}, {"dropout": 0.1}],
    ids=lambda fields: "-".join(fields) or "plain",
)
def test_activations_are_near_what_a_real_pass_keeps(fields: dict[str, Any], kernel: str, dtype: str) -> None:
    shape = {"batch_size": 4, "block_size": 128, "vocab_size": 64, "n_embd": 192, "n_head": 4, "n_layer": 3}
    config = GPTConfig.for_new_model(**({"dropout": 0.0} | shape | fields))
    estimated = memory(config, dtype=dtype, kernel=kernel, device_type="cpu")
    assert estimated.activations == pytest.approx(saved_bytes(config, kernel, dtype), rel=0.1)


def test_memory_adds_up() -> None:
    small = memory(UNIFIED, batch_size=1, dtype="bfloat16")
    large = memory(UNIFIED, batch_size=4, dtype="bfloat16")
    count = parameters(UNIFIED)
    assert (small.weights, small.gradients, small.optimizer) == (6 * count, 4 * count, 8 * count)
    assert large.activations == 4 * small.activations
    assert large.logits == 4 * small.logits
    assert large.total == large.weights + large.optimizer + large.activations + large.logits
    assert large.process == 0
    # Gradients of earlier micro-batches wait while the next one is computed.
    accumulated = memory(UNIFIED, batch_size=4, grad_accum_steps=2, dtype="bfloat16")
    assert accumulated.total == large.total + large.gradients
    tiny = GPTConfig(block_size=1, batch_size=1)
    assert memory(tiny).total == memory(tiny).weights + memory(tiny).optimizer + memory(tiny).gradients
    assert memory(tiny, optimizer="sgd").optimizer == 0


def test_on_a_cpu_the_process_and_the_holes_of_its_heap_are_counted() -> None:
    gpu, cpu = memory(UNIFIED, batch_size=1), memory(UNIFIED, batch_size=1, device_type="cpu")
    assert cpu.process > PROCESS_ON_CPU and cpu.total > gpu.total + PROCESS_ON_CPU
    nothing = GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, batch_size=1, vocab_size=50)
    assert memory(nothing, device_type="cpu").total == pytest.approx(PROCESS_ON_CPU, rel=0.01)


def live_bytes(config: GPTConfig, kernel: str, dtype: str) -> int:
    """The most memory that tensors take during an update, weights and moments included, by the profiler's account."""
    model = GPT(config, seed=0).train()
    model.set_kernel(kernel)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    idx = torch.zeros(config.batch_size, config.block_size, dtype=torch.int64)

    def update() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = model(idx, idx)[1]
        assert loss is not None
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    update()  # the first one has no moments yet
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        update()
    profiled = profiler.profiler
    assert profiled is not None and profiled.kineto_results is not None
    found = [e for e in profiled.kineto_results.events() if e.name() == "[memory]"]
    live = highest = 0
    for event in sorted(found, key=lambda event: event.start_ns()):
        live += event.nbytes()
        highest = max(highest, live)
    return highest + 12 * model.num_parameters()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("vocabulary", "fields"),
    [
        (5000, {}),
        (64, {"mlp_type": "swiglu", "norm_type": "rmsnorm", "pos_encoding": "rope"}),
        (64, {"dropout": 0.1}),
        (64, {"use_checkpoint": True}),
        (5000, {"tie_weights": True, "dropout": 0.1}),
    ],
)
def test_the_peak_is_near_that_of_a_real_update(vocabulary: int, fields: dict[str, Any], dtype: str) -> None:
    shape = {
        "batch_size": 8,
        "block_size": 128,
        "vocab_size": vocabulary,
        "n_embd": 128,
        "n_head": 4,
        "n_layer": 4,
    }
    config = GPTConfig.for_new_model(**({"dropout": 0.0} | shape | fields))
    expected = memory(config, dtype=dtype, kernel="plain", device_type="cpu")
    assert expected.total - expected.process == pytest.approx(live_bytes(config, "plain", dtype), rel=0.2)


def test_activation_checkpointing_saves_most_of_the_activations() -> None:
    whole = memory(UNIFIED, batch_size=4, dtype="bfloat16").activations
    checkpointed = GPTConfig.from_dict(UNIFIED.to_dict() | {"use_checkpoint": True})
    assert memory(checkpointed, batch_size=4, dtype="bfloat16").activations < whole / 4


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA B200", 2250),
        ("NVIDIA GB200", 2500),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
        ("NVIDIA A40", 149.7),
        ("NVIDIA A30", 165),
        ("NVIDIA A10G", 125),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 5090", 209.5),
        ("AMD Instinct MI300X", 1307),
        ("AMD Instinct MI355X OAM", 2500),
        ("NVIDIA L40", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("Tesla T4", None),
        ("Apple M3", None),
        ("cpu", None),
        ("", None),
    ],
)
def test_peaks_by_name(name: str, tflops: float | None) -> None:
    assert peak_flops(name) == (None if tflops is None else pytest.approx(tflops * 1e12))


def test_peaks_by_dtype() -> None:
    assert peak_flops("Tesla V100-SXM2-16GB", "float16") == 125e12
    assert peak_flops("Tesla T4", "float16") == 65e12
    assert peak_flops("NVIDIA H100 80GB HBM3", "float16") == 989e12
    assert peak_flops("NVIDIA H100 80GB HBM3", "float32") is None


@pytest.mark.parametrize(("device", "asked", "behind"), [
    ("cuda", "auto", True), ("cuda", "off", False), ("cpu", "auto", False), ("cpu", "on", True), ("mps", "auto", False),
])  # fmt: skip
def test_a_copy_to_save_from_counts_where_the_device_computes_in_main_memory(
    device: str, asked: Literal["auto", "on", "off"], behind: bool
) -> None:
    assert saves_behind(Settings(async_save=asked), device) is behind
    without, copied = (memory(UNIFIED, device_type=device, copied=copied) for copied in (False, behind))
    of_copy = 12 * parameters(UNIFIED) * behind
    assert (copied.copy, copied.aside) == ((0, of_copy) if device == "cuda" else (of_copy, 0))
    assert (without.copy, without.aside) == (0, 0)
    assert copied.total - without.total == copied.copy
