from __future__ import annotations

from mypt.model import GPT
from mypt.model.decay import decay_groups
from tests.model.small_models import VARIANTS, model


def names(built: GPT) -> tuple[list[str], list[str]]:
    by_id = {id(p): name for name, p in built.named_parameters()}
    decay, spared = decay_groups(built)
    return [by_id[id(p)] for p in decay], [by_id[id(p)] for p in spared]


def test_matrices_decay_in_module_order() -> None:
    decay, spared = names(model(n_layer=1, bias=True))
    assert decay == [
        "blocks.0.sa.qkv.weight",
        "blocks.0.sa.proj.weight",
        "blocks.0.fwd.net.0.weight",
        "blocks.0.fwd.net.2.weight",
        "lm_head.weight",
    ]
    assert spared == [
        "token_embedding_table.weight",
        "position_embedding_table.weight",
        "blocks.0.sa.qkv.bias",
        "blocks.0.sa.proj.bias",
        "blocks.0.fwd.net.0.bias",
        "blocks.0.fwd.net.2.bias",
        "blocks.0.ln1.weight",
        "blocks.0.ln1.bias",
        "blocks.0.ln2.weight",
        "blocks.0.ln2.bias",
        "ln_f.weight",
        "ln_f.bias",
        "lm_head.bias",
    ]


def test_a_tied_matrix_is_an_embedding() -> None:
    decay, spared = names(model(tie_weights=True))
    assert "lm_head.weight" not in decay + spared
    assert "token_embedding_table.weight" in spared


def test_every_parameter_is_in_one_group() -> None:
    for fields in VARIANTS.values():
        built = model(**fields)
        decay, spared = decay_groups(built)
        assert (
            len({id(p) for p in decay + spared}) == len(decay) + len(spared) == len(list(built.parameters()))
        )
