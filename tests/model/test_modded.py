"""modded-nanogpt's networks against published logits, and against their formulas written down once more."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mypt.errors import UserError
from mypt.estimate import flops_per_token, parameters
from mypt.model import GPT, GPTConfig, KVCache, Modded, build_model, head_loss
from mypt.model.decay import decay_groups
from mypt.model.modded_parts import BLOCK, sight_bias
from tests.model.modded_models import by_formula, config, model, reference, seen, shapes

archs = pytest.mark.parametrize("arch", ["modded_small", "modded_medium"])
kernels = pytest.mark.parametrize("kernel", ["sdpa", "plain"])

GOLDEN = {
    "modded_small": (
        5.495713,
        (15.17668, 15.39498, 14.05634, 16.43789),
        (14.32458, 15.18200, 15.32192, 14.19271),
        (13.36166, 17.05571, 12.64195, 17.53044),
    ),
    "modded_medium": (
        10.127351,
        (-0.08093, 5.77803, -9.41498, 11.32071),
        (-8.53319, 4.54561, 1.09763, -6.27607),
        (-10.75502, 11.87858, -12.46306, 12.73454),
    ),
}


def tokens(length: int, seed: int = 0, document_token: int = 7, every: int = 0) -> Tensor:
    """Random ids (1, length); with `every` a document begins about as often, without it none does."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(8, 40, (1, length), generator=generator)
    if every:
        begins = torch.rand(1, length, generator=generator) < 1 / every
        drawn[begins] = document_token
    return drawn


@archs
@kernels
@torch.no_grad()
def test_the_published_logits(arch: str, kernel: str) -> None:
    medium = arch == "modded_medium"
    fields = {"n_head": 1, "n_embd": 128, "vocab_size": 250 if medium else 256, "document_token": 50256}
    built = Modded(config(arch, **fields, head_rows=256, window_long=14, window_short=7), seed=None).eval()
    state = by_formula(shapes(built.config.n_layer, 128, 250, medium=medium), built.config.n_layer)
    state["scalars"] = state["scalars"][: 5 * built.config.n_layer]
    built.load_state_dict(state, strict=True)
    built.set_kernel(kernel)
    line = torch.tensor([(37 * i + 11) % 250 for i in range(257)])
    logits, loss = built(line[None, :-1], line[None, 1:])
    wanted_loss, *rows = GOLDEN[arch]
    assert loss is not None and loss.item() == pytest.approx(wanted_loss, abs=1e-5)
    for place, wanted in zip((0, 101, 255), rows, strict=True):
        torch.testing.assert_close(logits[0, place, :4], torch.tensor(wanted), atol=1e-3, rtol=0)


@archs
@kernels
@pytest.mark.parametrize(("every", "window"), [(0, None), (40, None), (0, 2), (60, 3)])
@torch.no_grad()
def test_logits_are_those_of_the_formulas(arch: str, kernel: str, every: int, window: int | None) -> None:
    short = None if window is None else window // 2
    built = model(arch, window_long=window, window_short=short).eval()
    built.set_kernel(kernel)
    idx = tokens(420, every=every)
    medium = arch == "modded_medium"
    wanted = reference(built.state_dict(), idx[0], medium=medium, heads=2, window=window, document_token=7)
    torch.testing.assert_close(built(idx)[0][0].double(), wanted, atol=1e-4, rtol=0)


@archs
@kernels
@pytest.mark.parametrize("first", [1, 100, 130, 419])
@torch.no_grad()
def test_a_cache_gives_the_same_logits(arch: str, kernel: str, first: int) -> None:
    built = model(arch, window_long=2, window_short=1).eval()
    built.set_kernel(kernel)
    idx = torch.cat([tokens(420, every=50), tokens(420, seed=1)])
    whole = built(idx)[0]
    cache = KVCache(420)
    parts = [built.step(idx[:, :first], cache, all_positions=True)]
    while cache.length < 420:
        # Now several tokens, now one, as prompts and generation give them.
        more = idx[:, cache.length : cache.length + (37 if cache.length % 2 else 1)]
        parts.append(built.step(more, cache, all_positions=True))
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=0)
    cache.clear()
    torch.testing.assert_close(built.step(idx[:, :200], cache), whole[:, 199], atol=1e-4, rtol=0)


@given(
    length=st.integers(1, 1100),
    begins=st.sets(st.integers(0, 1099), max_size=9),
    window=st.one_of(st.none(), st.integers(0, 7)),
)
@settings(max_examples=60, deadline=None)
def test_what_is_seen_is_what_the_block_lists_hold(length: int, begins: set[int], window: int | None) -> None:
    idx = torch.tensor([1 if place in begins else 0 for place in range(length)])
    documents = (idx == 1).cumsum(0)[None]
    ours = sight_bias(documents, torch.arange(length), window, torch.float32)[0, 0] == 0
    assert torch.equal(ours, seen_fast(idx, window))


def seen_fast(idx: Tensor, window: int | None) -> Tensor:
    """`modded_models.seen`, a block at a time: that one looks at a million pairs by themselves."""
    length = len(idx)
    documents = (idx == 1).cumsum(0)
    visible = (documents[:, None] == documents) & (torch.arange(length)[:, None] >= torch.arange(length))
    # The element mask hides what is in a block beside documents; which blocks are kept is read off one query each.
    for block in range(-(-length // BLOCK)):
        rows = slice(block * BLOCK, min((block + 1) * BLOCK, length))
        kept = _kept_blocks(documents, window, block)
        for other in range(block + 1):
            if other not in kept:
                visible[rows, other * BLOCK : (other + 1) * BLOCK] = False
    return visible


def _kept_blocks(documents: Tensor, window: int | None, i: int) -> set[int]:
    length = len(documents)
    ends = [min((b + 1) * BLOCK, length) - 1 for b in range(-(-length // BLOCK))]
    low = [int(documents[b * BLOCK]) for b in range(len(ends))]
    high = [int(documents[end]) for end in ends]
    some = [j for j in range(i + 1) if low[i] <= high[j] and low[j] <= high[i]]
    if window is None:
        return set(some)
    full = [j for j in some if j < i and low[i] == high[j] and high[i] == low[j]]
    partial = [j for j in some if j not in full]
    first = max(min(len(full), window - 1), 0)
    second = min(len(partial), max(window - len(full), 1))
    return set(full[len(full) - first :]) | set(partial[len(partial) - second :])


def test_both_ways_to_write_the_block_lists_agree() -> None:
    idx = torch.tensor([1 if place in (5, 140, 300) else 0 for place in range(400)])
    for window in (None, 0, 1, 2, 3):
        assert torch.equal(seen(idx, window, 1), seen_fast(idx, window))


@archs
@torch.no_grad()
def test_segments_and_documents_both_keep_attention_within(arch: str) -> None:
    built = model(arch).eval()
    idx = tokens(60)
    idx[0, 20] = 7
    segments = torch.tensor([[1] * 40 + [2] * 20])
    base = built.features(idx, segments)
    for place, last in ((3, 20), (25, 40), (45, 60)):
        other = idx.clone()
        other[0, place] = 39 if int(idx[0, place]) != 39 else 38
        moved = (built.features(other, segments) - base).abs().amax((0, 2))
        assert moved[place:last].min() > 0 and moved[:place].max() == 0 and moved[last:].sum() == 0


@archs
@kernels
def test_gradients_reach_every_weight_and_recomputing_changes_nothing(arch: str, kernel: str) -> None:
    idx = tokens(150, every=30)
    found = []
    for recompute in (False, True):
        built = model(arch, use_checkpoint=recompute, window_long=1, window_short=1).train()
        built.set_kernel(kernel)
        loss = built(idx[:, :-1], idx[:, 1:], None, None, True)[1]
        assert loss is not None
        loss.backward()
        found.append({name: p.grad for name, p in built.named_parameters()})
    for name, gradient in found[0].items():
        assert gradient is not None and found[1][name] is not None
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, found[1][name])


@archs
def test_the_loss_piece_by_piece_is_the_loss_of_the_whole(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = model(arch).train()
    idx = tokens(300, every=30)
    whole = built(idx[:, :-1], idx[:, 1:])[1]
    monkeypatch.setitem(head_loss.PIECE, "cpu", 64 * 40)
    pieces = built(idx[:, :-1], idx[:, 1:], None, None, True)
    assert pieces[0].numel() == 0
    torch.testing.assert_close(pieces[1], whole)


@archs
def test_mixtures_and_tables_are_not_decayed(arch: str) -> None:
    built = model(arch)
    names = {id(p): name for name, p in built.named_parameters()}
    decayed, spared = ({names[id(p)] for p in group} for group in decay_groups(built))
    assert spared == {"scalars", "embed.weight", *(f"value_embeds.{i}.weight" for i in range(3))}
    assert any("qkv" in name for name in decayed)
    assert built.scalars.dtype is torch.float32


@archs
@given(layers=st.integers(6, 12), heads=st.integers(1, 3), rows=st.integers(1, 50), more=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_parameters_are_counted_without_the_model(
    arch: str, layers: int, heads: int, rows: int, more: int
) -> None:
    fields = {"n_layer": 2 * layers, "n_head": heads, "n_embd": 8 * heads, "vocab_size": rows}
    asked = config(arch, **fields, head_rows=rows + more)
    built = build_model(asked, seed=None)
    assert isinstance(built, Modded)
    assert parameters(asked) == built.num_parameters()
    tables = sum(p.numel() for n, p in built.named_parameters() if "embed" in n) + built.scalars.numel()
    seen_by = 12 * (2 * layers - 1) * 8 * heads * asked.block_size
    assert flops_per_token(asked) == 6 * (built.num_parameters() - tables) + seen_by


def test_the_real_sizes_have_the_parameters_that_are_known() -> None:
    small = config(n_head=6, n_embd=768, vocab_size=50304)
    assert parameters(small) == 275_742_784 - 4  # without the four scalars that only fill up
    medium = config("modded_medium", n_head=8, n_embd=1024, vocab_size=50257, head_rows=50304)
    assert parameters(medium) == 454_496_336


@archs
def test_a_seed_makes_a_model_to_train_from(arch: str) -> None:
    built, again = (build_model(config(arch), seed=5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(built.parameters(), again.parameters(), strict=True))
    idx = tokens(32)
    loss = built(idx[:, :-1], idx[:, 1:])[1]
    assert loss is not None and loss.item() == pytest.approx(torch.tensor(40.0).log().item(), abs=1e-4)


def test_dropout_reaches_every_layer() -> None:
    built = model().train()
    idx = tokens(32)
    assert torch.equal(built(idx)[0], built(idx)[0])
    built.set_dropout(0.5)
    assert built.config.dropout == 0.5 and not torch.equal(built(idx)[0], built(idx)[0])
    built.eval()
    assert torch.equal(built(idx)[0], built(idx)[0])


def test_autocast_stays_near() -> None:
    built = model(window_long=2, window_short=1).eval()
    idx = tokens(300, every=70)
    with torch.no_grad():
        exact = built(idx)[0]
        with torch.autocast("cpu", torch.bfloat16):
            near = built(idx)[0]
    assert near.dtype is torch.float32
    assert (near - exact).abs().mean() < 0.05 * exact.std()


def test_the_factory_builds_what_arch_names() -> None:
    assert type(build_model(GPTConfig(n_embd=8, n_head=2, n_layer=1, vocab_size=9), seed=None)) is GPT
    assert type(build_model(config(), seed=None)) is Modded
    with pytest.raises(
        UserError, match=r"arch: is not known \(got 'modded_smal'\).*did you mean 'modded_small'"
    ):
        build_model(config(arch="modded_smal"))
    with pytest.raises(UserError, match="even number of layers"):
        build_model(config(n_layer=11))
