from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

import mypt
from mypt import GPT, GPTConfig
from mypt.tokenizers import Tokenizer, create
from mypt.tokenizers.gpt2 import Gpt2Tokenizer

# Nothing here may ask a server for anything.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch.set_num_threads(1)

STRANGE = "".join(
    map(chr, (*range(9, 14), *range(32, 127), 0xA0, 0xE9, 0x301, 0x200D, 0x2028, 0x1F600, 0x94D))
)
LLAMA: dict[str, Any] = {"pos_encoding": "rope", "mlp_type": "swiglu", "norm_type": "rmsnorm"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2_tied": ("char", {"tie_weights": True}),
    "gpt2_untied_with_a_head_bias_of_zeros": ("char", {"head_bias": True}),
    "gpt2_biases": ("gpt2", {"bias": True, "head_bias": False}),
    "gpt2_tanh": ("bpe", {"activation": "gelu_tanh", "mlp_hidden_size": 40, "norm_eps": 1e-3}),
    "gpt2_relu": ("bpe", {"activation": "relu", "norm_bias": True, "tie_weights": True}),
    "llama_untied": ("char", LLAMA),
    "llama_grouped_tied": ("bpe", {**LLAMA, "tie_weights": True, "n_kv_head": 2, "rope_theta": 500.0}),
    "llama_scaled": ("gpt2", {**LLAMA, "rope_scale": 4.0, "norm_eps": 1e-4, "mlp_hidden_size": 48}),
    "llama_wide_heads": ("bpe", {**LLAMA, "head_dim": 20, "n_kv_head": 1}),
    "llama_biases": ("char", {**LLAMA, "bias": True, "head_bias": False, "rope_scale": 1.5}),
}


def tokenizer_of(kind: str) -> Tokenizer:
    if kind == "bpe":
        return create("bpe", text="the cat sat on the mat. " * 40, vocab_size=300)
    return create(kind, text=STRANGE)


def model_of(tokenizer: Tokenizer, **shape: Any) -> GPT:
    config = GPTConfig.for_new_model(
        batch_size=2, block_size=24, vocab_size=tokenizer.vocab_size, n_embd=32, n_head=4, n_layer=2, **shape
    )
    model = GPT(config, seed=3)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if name != "lm_head.bias":
            # Biases and norms as well: they begin at values that hide mistakes.
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_transformers_computes_the_same_logits(variant: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    kind, shape = VARIANTS[variant]
    tokenizer = tokenizer_of(kind)
    model = model_of(tokenizer, **shape)
    mypt.save_checkpoint_bundle(model, tmp_path / "checkpoints" / "m", step=1, tokenizer=tokenizer)
    folder = mypt.export("m", workspace=tmp_path)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    theirs, loading = loaded
    assert not any(loading.values()), loading
    assert type(theirs).__name__ == ("LlamaForCausalLM" if variant.startswith("llama") else "GPT2LMHeadModel")
    assert theirs.dtype is torch.float32 and theirs.config.tie_word_embeddings == model.config.tie_weights
    idx = torch.randint(0, tokenizer.valid_vocab, (3, 24), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        ours, _ = model(idx)
        assert ours.std() > 0.1
        assert torch.allclose(theirs.eval()(idx).logits, ours, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["char", "gpt2", "bpe"])
def test_transformers_makes_the_same_tokens_of_a_text(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = tokenizer_of(kind)
    model = model_of(tokenizer)
    mypt.save_checkpoint_bundle(model, tmp_path / "checkpoints" / "m", step=1, tokenizer=tokenizer)
    theirs = AutoTokenizer.from_pretrained(mypt.export("m", workspace=tmp_path))
    for text in ("the cat  sat on\nthe mat's end, isn't it? 12345 \t\r\n x", STRANGE, " ", "a , b . c ' s"):
        ids = tokenizer.encode(text) if not tokenizer.unknown(text) else []
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == text
    assert theirs.eos_token_id == tokenizer.end_of_text and theirs.model_max_length == 24
    if kind == "char":
        with pytest.raises(Exception, match="UNK"):
            theirs("\u2603")


def test_conversations_end_where_they_end_here(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = Gpt2Tokenizer({"<myPT_user>": 50257, "<myPT_eot>": 50258})
    model = model_of(tokenizer)
    mypt.save_checkpoint_bundle(model, tmp_path / "checkpoints" / "m", step=1, tokenizer=tokenizer)
    folder = mypt.export("m", workspace=tmp_path)
    theirs = AutoTokenizer.from_pretrained(folder)
    assert theirs("<myPT_user>hi<myPT_eot>")["input_ids"] == [50257, 5303, 50258]
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert loaded.generation_config.eos_token_id == [50256, 50258]
    # Rows that only fill the vocabulary up are never drawn, here as there.
    assert loaded.generation_config.suppress_tokens == list(range(50259, 50304))
    with torch.no_grad():
        loaded.lm_head.weight[50300] = 1000 * loaded.transformer.ln_f.bias
    drawn = loaded.generate(torch.tensor([[50257, 5303]]), max_new_tokens=4, do_sample=False)
    assert int(drawn.max()) < 50259


def test_anybody_may_read_the_weights_that_may_read_the_rest(tmp_path: Path) -> None:
    tokenizer = tokenizer_of("char")
    mypt.save_checkpoint_bundle(model_of(tokenizer), tmp_path / "checkpoints" / "m", tokenizer=tokenizer)
    folder = mypt.export("m", workspace=tmp_path)
    assert len({file.stat().st_mode for file in folder.iterdir()}) == 1


@pytest.mark.parametrize("source", ["gpt2_tiny", "llama_tiny_gqa"])
def test_what_came_from_there_goes_back_as_it_was(source: str, samples: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    place = samples / "hf" / source
    model, _, _ = mypt.load_pretrained_checkpoint(place)
    mypt.save_checkpoint_bundle(model, tmp_path / "checkpoints" / "m", step=1)
    theirs: Any = AutoModelForCausalLM.from_pretrained(place)
    back: Any = AutoModelForCausalLM.from_pretrained(mypt.export("m", workspace=tmp_path))
    idx = torch.randint(0, theirs.config.vocab_size, (2, 16), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        assert torch.allclose(back(idx).logits, theirs(idx).logits, atol=1e-4, rtol=0)
