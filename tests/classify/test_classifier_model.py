from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mypt
from mypt import bundle
from mypt.classify.model import SCORE, Classifier, load_classifier, on_base
from mypt.classify.spec import Spec
from mypt.classify.split import TextSplit
from mypt.errors import UserError
from mypt.estimate import parameters
from mypt.model import LanguageModel, build_model
from mypt.settings.model_config import GPTConfig
from mypt.tokenizers import create
from mypt.training import checkpointing
from mypt.training.batches import on_device
from mypt.training.optimizer import build as optimizer_of
from tests.model import modded_models

torch.set_num_threads(1)

SPEC = Spec(("no", "perhaps", "yes"), ("text",), "label", (0,))
GPT2: dict[str, Any] = {}
LLAMA: dict[str, Any] = {"pos_encoding": "rope", "mlp_type": "swiglu", "norm_type": "rmsnorm", "n_kv_head": 2}


def body_of(kind: str, **more: Any) -> LanguageModel:
    if kind == "modded":
        return modded_models.model(block_size=512)
    shape = {"gpt2": GPT2, "tied": {"tie_weights": True}, "llama": LLAMA}[kind]
    config = GPTConfig.for_new_model(
        batch_size=2,
        block_size=48,
        vocab_size=40,
        n_embd=32,
        n_head=4,
        n_layer=2,
        dropout=0.1,
        **shape,
        **more,
    )
    return build_model(config, seed=1)


def texts(number: int = 7) -> TextSplit:
    draw = np.random.default_rng(3)
    rows = [draw.integers(8, 40, size=3 + 5 * place).astype(np.int32) for place in range(number)]
    return TextSplit(rows, [place % 3 for place in range(number)], whole=True)


@pytest.mark.parametrize("kind", ["gpt2", "tied", "llama", "modded"])
@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
def test_the_logits_of_a_text_do_not_depend_on_its_batch(kind: str, kernel: str) -> None:
    model = Classifier(body_of(kind), 3, seed=4).eval()
    model.set_kernel(kernel)
    model.score.weight.data *= 50
    split = texts()
    together = on_device(split.gather(np.arange(7), 48), "cpu")
    logits, loss = model(together.x, together.y, together.mask)
    assert logits.shape == (7, 3) and logits.dtype is torch.float32 and loss is not None
    assert together.valid == 7
    losses = []
    for place in range(7):
        # Alone, and without anything behind it.
        alone = torch.tensor(split.rows[place], dtype=torch.int64)[None]
        single, _ = model(alone)
        assert torch.allclose(single[0], logits[place], atol=1e-5)
        losses.append(torch.nn.functional.cross_entropy(single, torch.tensor([place % 3])))
    assert torch.allclose(torch.stack(losses).mean(), loss, atol=1e-5)
    # What stands behind a text's last token is never looked at.
    noisy = together.x.clone()
    for place in range(7):
        noisy[place, len(split.rows[place]) :] = 39
    assert torch.equal(model(noisy, together.y, together.mask)[0], logits)


@pytest.mark.parametrize("kind", ["gpt2", "tied", "llama", "modded"])
def test_only_what_features_depend_on_is_trained(kind: str) -> None:
    model = Classifier(body_of(kind), 3, seed=4)
    batch = on_device(texts().gather(np.arange(7), 48), "cpu")
    optimizer = optimizer_of(model, learning_rate=1e-2, weight_decay=0.1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(2):
        loss = model(batch.x, batch.y, batch.mask)[1]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert SCORE in changed
    head = {name for name in before if name.startswith("lm_head")}
    if kind == "tied":
        assert head <= changed
    else:
        # The head for tokens is kept, but neither trained nor let decay.
        assert head and not head & changed
    assert len(changed) > 0.5 * len(before)


@pytest.mark.parametrize("kind", ["gpt2", "tied", "llama", "modded"])
def test_a_bundle_gives_the_same_classifier_back(kind: str, tmp_path: Path) -> None:
    base = body_of(kind)
    model, notices = on_base(base.config, SPEC, dict(base.state_dict()), where="base", seed=4)
    assert notices == [] and torch.equal(
        model.score.weight,
        on_base(base.config, SPEC, dict(base.state_dict()), where="", seed=4)[0].score.weight,
    )
    tokenizer = create("char", text="abcdefgh")
    checkpointing.save(tmp_path / "c", model, tokenizer.to_dict(), {"step": 3}, device="cpu")
    info = bundle.read_info(tmp_path / "c")
    assert info.is_classifier and Spec.of(info.config, where="") == SPEC
    again = load_classifier(info)
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert again.num_parameters() == parameters(GPTConfig.from_dict(info.config)) == model.num_parameters()
    # A classifier is a base too: its classes are others then.
    other = Spec(("a", "b"), ("text",), "label", (0,))
    weights = checkpointing.read_weights(info)
    again, _ = on_base(GPTConfig.from_dict(info.config), other, weights, where="c", seed=4)
    assert again.score.weight.shape == (2, 32)
    # What is damaged is told.
    config = dict(info.config, classifier={**SPEC.to_json(), "classes": ["a", "b"]})
    from dataclasses import replace

    with pytest.raises(UserError, match=r"score\.weight: has shape \(3, 32\), the config asks for \(2, 32\)"):
        load_classifier(replace(info, config=config))


def test_a_classifier_is_no_language_model_and_says_so(tmp_path: Path) -> None:
    base = body_of("gpt2")
    model, _ = on_base(base.config, SPEC, dict(base.state_dict()), where="base", seed=4)
    place = tmp_path / "checkpoints" / "c"
    checkpointing.save(place, model, create("char", text="abc").to_dict(), {"step": 3}, device="cpu")
    with pytest.raises(
        UserError, match=r"is a classifier \(no, perhaps, yes\) and writes no text.*mypt classify"
    ):
        mypt.load_bundle("c", tmp_path)
    with pytest.raises(UserError, match="is exported as fp16 or bf16 only"):
        mypt.export("c", workspace=tmp_path)
    half = mypt.export("c", "fp16", workspace=tmp_path)
    assert mypt.load_classifier(half).classes == SPEC.classes
    with pytest.raises(TypeError, match="writes no text"):
        model.step(torch.zeros(1, 1, dtype=torch.int64), None)  # type: ignore[arg-type]
