from __future__ import annotations

import math

import pytest
import torch

from mypt.errors import UserError
from mypt.model import GPT, GPTConfig
from mypt.model.attention import SelfAttention
from tests.model.small_models import VARIANTS, config, ids, model

variants = pytest.mark.parametrize("variant", VARIANTS)


def shapes(built: GPT) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in built.state_dict().items()}


def test_names_and_shapes_are_the_originals_for_learned_positions() -> None:
    built = GPT(GPTConfig(block_size=32, vocab_size=55, n_embd=48, n_head=3, n_layer=2))
    expected: dict[str, tuple[int, ...]] = {
        "token_embedding_table.weight": (55, 48),
        "position_embedding_table.weight": (32, 48),
        "ln_f.weight": (48,),
        "ln_f.bias": (48,),
        "lm_head.weight": (55, 48),
        "lm_head.bias": (55,),
    }
    for i in range(2):
        expected |= {
            f"blocks.{i}.sa.qkv.weight": (144, 48),
            f"blocks.{i}.sa.proj.weight": (48, 48),
            f"blocks.{i}.fwd.net.0.weight": (192, 48),
            f"blocks.{i}.fwd.net.0.bias": (192,),
            f"blocks.{i}.fwd.net.2.weight": (48, 192),
            f"blocks.{i}.fwd.net.2.bias": (48,),
            f"blocks.{i}.ln1.weight": (48,),
            f"blocks.{i}.ln1.bias": (48,),
            f"blocks.{i}.ln2.weight": (48,),
            f"blocks.{i}.ln2.bias": (48,),
        }
    assert shapes(built) == expected


def test_names_and_shapes_are_the_originals_for_rope_swiglu_rmsnorm() -> None:
    fields = {"pos_encoding": "rope", "mlp_type": "swiglu", "norm_type": "rmsnorm"}
    built = GPT(GPTConfig(block_size=32, vocab_size=55, n_embd=48, n_head=3, n_layer=1, **fields))  # type: ignore[arg-type]
    assert shapes(built) == {
        "token_embedding_table.weight": (55, 48),
        "blocks.0.sa.qkv.weight": (144, 48),
        "blocks.0.sa.proj.weight": (48, 48),
        "blocks.0.fwd.w_gate.weight": (128, 48),
        "blocks.0.fwd.w_up.weight": (128, 48),
        "blocks.0.fwd.w_down.weight": (48, 128),
        "blocks.0.ln1.weight": (48,),
        "blocks.0.ln2.weight": (48,),
        "ln_f.weight": (48,),
        "lm_head.weight": (55, 48),
        "lm_head.bias": (55,),
    }


def test_bias_adds_those_of_the_attention_only_and_a_new_model_has_none() -> None:
    with_bias = {name for name in shapes(GPT(config(bias=True))) if name.endswith("bias")}
    without = {name for name in shapes(GPT(config())) if name.endswith("bias")}
    assert with_bias - without == {f"blocks.{i}.sa.{part}.bias" for i in (0, 1) for part in ("qkv", "proj")}
    new = GPTConfig.for_new_model(block_size=8, vocab_size=11, n_embd=16, n_head=2, n_layer=1, bias=False)
    assert not [name for name in shapes(GPT(new)) if name.endswith("bias")]


def test_a_config_that_cannot_be_built_is_refused_with_all_problems() -> None:
    with pytest.raises(UserError) as refused:
        GPT(config(n_embd=30, pos_encoding="rop"))
    assert {p.field for p in refused.value.problems} == {"n_embd", "pos_encoding"}


@variants
def test_logits_are_float32_and_causal(variant: str) -> None:
    built = model(**VARIANTS[variant]).eval()
    tokens = ids()
    changed = tokens.clone()
    changed[:, 9] = (changed[:, 9] + 1) % 29
    before, loss = built(tokens)
    after, _ = built(changed)
    assert before.shape == (2, 16, 29)
    assert before.dtype is torch.float32
    assert loss is None
    assert torch.equal(before[:, :9], after[:, :9])
    assert (before[:, 9:] - after[:, 9:]).abs().amax(-1).min() > 1e-4


@variants
def test_float32_logits_and_a_finite_loss_under_autocast(variant: str) -> None:
    built = model(**VARIANTS[variant])
    exact, _ = built(ids())
    with torch.autocast("cpu", torch.bfloat16):
        rough, loss = built(ids(), ids(seed=1))
    assert rough.dtype is torch.float32
    assert loss is not None
    assert loss.dtype is torch.float32
    error = (rough - exact).abs().mean() / exact.std()
    assert 0 < error < 0.05


def test_seed_decides_the_weights_and_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (GPT(config(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


@pytest.mark.parametrize("mlp_type", ["gelu", "swiglu"])
def test_initial_spread(mlp_type: str) -> None:
    built = GPT(config(n_embd=128, vocab_size=500, n_layer=8, mlp_type=mlp_type))
    residual = 0.02 / math.sqrt(16)
    for name, value in built.named_parameters():
        if value.dim() == 1:
            assert torch.equal(
                value, torch.ones_like(value) if "ln" in name and "weight" in name else value * 0
            ), name
        else:
            down = name.endswith(("sa.proj.weight", "net.2.weight", "w_down.weight"))
            assert value.std().item() == pytest.approx(residual if down else 0.02, rel=0.05), name
    _, loss = built(ids(vocab=500), ids(vocab=500, seed=1))
    assert loss is not None
    assert loss.item() == pytest.approx(math.log(500), abs=0.1)


def test_a_tied_matrix_is_one_and_counts_once() -> None:
    tied, untied = GPT(config(tie_weights=True)), GPT(config())
    assert tied.lm_head.weight is tied.token_embedding_table.weight
    assert untied.num_parameters() - tied.num_parameters() == 29 * 32
    assert "lm_head.weight" in tied.state_dict()


def test_learned_positions_end_at_block_size_and_rope_goes_on() -> None:
    with pytest.raises(ValueError, match="17 tokens, but block_size is 16"):
        model()(ids(length=17))
    built = model(**VARIANTS["rope"]).eval()
    long, _ = built(ids(length=40))
    short, _ = built(ids(length=40)[:, :16])
    assert torch.allclose(long[:, :16], short, atol=1e-5)


def test_tables_that_grew_in_inference_mode_can_be_trained_with() -> None:
    built = model(pos_encoding="rope")
    built.set_kernel("plain")
    with torch.inference_mode():
        built(ids(length=40))
    _, loss = built(ids(length=40), ids(length=40))
    assert loss is not None
    loss.backward()


@variants
def test_segments_do_not_see_each_other(variant: str) -> None:
    built = model(**VARIANTS[variant]).eval()
    tokens = ids(batch=1)
    segments = torch.tensor([[1] * 6 + [2] * 7 + [0] * 3])
    for kernel in ("sdpa", "plain"):
        built.set_kernel(kernel)
        packed, _ = built(tokens, segment_ids=segments)
        for begin, end in ((0, 6), (6, 13), (13, 16)):
            alone, _ = built(tokens[:, begin:end])
            assert torch.allclose(packed[:, begin:end], alone, atol=1e-5)


def test_positions_that_do_not_restart_differ_where_learned_and_agree_with_rope() -> None:
    segments = torch.tensor([[1] * 6 + [2] * 10])
    for fields, same in (({}, False), (VARIANTS["rope"], True)):
        restart = model(segment_position_reset=True, **fields).eval()(ids(1), segment_ids=segments)[0]
        absolute = model(segment_position_reset=False, **fields).eval()(ids(1), segment_ids=segments)[0]
        assert torch.allclose(restart[:, :6], absolute[:, :6])
        assert torch.allclose(restart[:, 6:], absolute[:, 6:], atol=1e-5) is same


def test_set_dropout_reaches_every_layer() -> None:
    built = model(dropout=0.0).train()
    quiet = built(ids())[0]
    assert torch.equal(quiet, built(ids())[0])
    built.set_dropout(0.5)
    assert built.config.dropout == 0.5
    assert {m.p for m in built.modules() if isinstance(m, torch.nn.Dropout)} == {0.5}
    assert {m.attention_dropout for m in built.modules() if isinstance(m, SelfAttention)} == {0.5}
    torch.manual_seed(0)
    assert not torch.allclose(quiet, built(ids())[0], atol=1e-2)
    assert torch.equal(quiet, built.eval()(ids())[0])


@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
def test_attention_weights_are_dropped_in_training_only(kernel: str) -> None:
    built = model()
    built.set_kernel(kernel)
    for module in built.modules():
        if isinstance(module, SelfAttention):
            module.attention_dropout = 0.5
    exact = built.eval()(ids())[0]
    torch.manual_seed(0)
    assert not torch.allclose(exact, built.train()(ids())[0], atol=1e-2)


def test_checkpointing_gives_the_same_gradients_through_dropout() -> None:
    grads = []
    for use_checkpoint in (False, True):
        built = model(dropout=0.3, use_checkpoint=use_checkpoint).train()
        torch.manual_seed(7)
        _, loss = built(ids(), ids(seed=1))
        assert loss is not None
        loss.backward()
        grads.append({name: p.grad for name, p in built.named_parameters()})
    for name, grad in grads[0].items():
        assert grad is not None
        assert torch.equal(grad, grads[1][name]), name  # type: ignore[arg-type]


def test_neftune_adds_noise_in_training_only_and_of_the_promised_size() -> None:
    built = model(neftune_alpha=5.0)
    built.eval()
    assert torch.equal(built(ids())[0], built(ids())[0])
    built.train()
    clean = built.token_embedding_table(ids()) + built.position_embedding_table(torch.arange(16))
    noise = built._embed(ids(), torch.arange(16)) - clean
    bound = 5.0 / math.sqrt(16 * 32)
    assert 0.9 * bound < noise.abs().max() <= bound * 1.0001


def test_a_small_model_learns_by_heart() -> None:
    built = GPT(config(), seed=0)
    optimizer = torch.optim.AdamW(built.parameters(), lr=1e-2)
    tokens = ids(length=17)
    for _ in range(60):
        _, loss = built(tokens[:, :-1], tokens[:, 1:])
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss is not None
    assert loss.item() < 0.1


@variants
@torch.no_grad()
def test_logits_are_the_head_applied_to_the_features(variant: str) -> None:
    built = model(**VARIANTS[variant]).eval()
    stream = built.features(ids())
    assert stream.shape == (2, 16, 32)
    assert torch.equal(built.lm_head(stream), built(ids())[0])


@torch.no_grad()
def test_features_stay_within_a_segment() -> None:
    built = model().eval()
    segments = torch.tensor([[1] * 7 + [2] * 9] * 2)
    changed = ids().clone()
    changed[:, 2] = (changed[:, 2] + 1) % 29
    difference = (built.features(ids(), segments) - built.features(changed, segments)).abs().amax((0, 2))
    assert difference[2:7].min() > 0
    assert difference[7:].max() == 0
