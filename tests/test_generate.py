from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mypt.errors import RunError, UserError
from mypt.generate import Sampling, generate_text, sample_tokens, stream_text, until
from mypt.model import GPT, GPTConfig, KVCache

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0])


class Bytes:
    """A tokenizer whose tokens are single bytes, so that most characters need several."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode(errors="replace")


class Words:
    """A tokenizer that writes a space between words, and none at the beginning of what it is given."""

    words = ("once", "upon", "a", "time")

    def encode(self, text: str) -> list[int]:
        return [self.words.index(word) for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.words[i] for i in ids)


@pytest.fixture(params=["learned", "rope"])
def model(request: pytest.FixtureRequest) -> GPT:
    config = GPTConfig(
        block_size=12, vocab_size=300, n_embd=32, n_head=4, n_layer=2, dropout=0.3, pos_encoding=request.param
    )
    built = GPT(config, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return built


def test_the_cache_changes_nothing_even_far_past_the_context(model: GPT) -> None:
    for kernel in ("sdpa", "plain"):
        model.set_kernel(kernel)
        for prompt in ([5], list(range(11)), list(range(30))):
            texts = [
                list(sample_tokens(model, prompt, max_new_tokens=40, seed=4, use_cache=use_cache))
                for use_cache in (True, False)
            ]
            assert len(texts[0]) == 40
            assert texts[0] == texts[1]


def test_greedy_takes_the_most_likely_token(model: GPT) -> None:
    tokens = list(sample_tokens(model, [1, 2, 3], max_new_tokens=6, temperature=0.0))
    model.eval()
    ids = [1, 2, 3]
    for token in tokens:
        logits, _ = model(torch.tensor([ids]))
        assert token == int(logits[0, -1].argmax())
        ids.append(token)


def test_the_seed_decides_and_nothing_else_is_touched(model: GPT) -> None:
    model.train()
    state = torch.get_rng_state()
    first = list(sample_tokens(model, [1], max_new_tokens=20, seed=1))
    stream = sample_tokens(model, [1], max_new_tokens=20, seed=1)
    again = [next(stream)]
    assert model.training
    again += stream
    assert first == again
    assert first != list(sample_tokens(model, [1], max_new_tokens=20, seed=2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_ids_without_a_token_are_never_drawn(model: GPT) -> None:
    with torch.no_grad():
        model.lm_head.bias[7:] += 50.0
    assert min(sample_tokens(model, [1], max_new_tokens=20, seed=1)) >= 7
    for temperature in (0.0, 1.0, 100.0):
        tokens = list(
            sample_tokens(model, [1], max_new_tokens=60, seed=1, temperature=temperature, valid_vocab=7)
        )
        assert max(tokens) < 7


@pytest.mark.parametrize("length", [1, 3])
def test_a_stop_ends_the_text_and_is_kept_back(model: GPT, length: int) -> None:
    tokens = list(sample_tokens(model, [1], max_new_tokens=30, seed=3))
    stop = tokens[10 : 10 + length]
    before = list(sample_tokens(model, [1], max_new_tokens=30, seed=3, stops=[[299] * 5, stop]))
    first = next(at for at in range(11) if tokens[at : at + length] == stop)
    assert before == tokens[:first]


@given(
    st.lists(st.integers(0, 2), max_size=30),
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=3),
)
def test_a_stop_is_found_as_soon_as_it_is_whole(tokens: list[int], stops: list[list[int]]) -> None:
    ends = [
        (end, end - len(stop))
        for end in range(1, len(tokens) + 1)
        for stop in stops
        if tokens[:end][-len(stop) :] == stop
    ]
    first = min(end for end, _ in ends) if ends else None
    kept = list(until(iter(tokens), stops))
    if first is None:
        assert kept == tokens
    else:
        assert kept in [tokens[:begin] for end, begin in ends if end == first]


def test_what_can_be_no_stop_any_longer_is_given_at_once() -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for token in (5, 1, 2, 1, 2, 3, 9):
            drawn.append(token)
            yield token

    given = [(token, len(drawn)) for token in until(source(), [(1, 2, 3)])]
    # The 5 is given when it is drawn; the first 1 and 2 when a 1 follows them where the stop has a 3.
    assert given == [(5, 1), (1, 4), (2, 4)]


def test_the_cache_takes_no_more_memory_than_the_text_needs(
    model: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    start = KVCache.__init__

    def noted(self: KVCache, capacity: int) -> None:
        made.append(capacity)
        start(self, capacity)

    monkeypatch.setattr(KVCache, "__init__", noted)
    for new in (3, 300):
        assert len(list(sample_tokens(model, [1, 2], max_new_tokens=new, seed=0))) == new
    assert made == [5, 12]


def test_damaged_weights_are_said(model: GPT) -> None:
    with torch.no_grad():
        model.ln_f.weight.fill_(float("nan"))  # type: ignore[operator]
    for temperature in (0.0, 1.0):
        with pytest.raises(RunError, match="not a finite number"):
            next(sample_tokens(model, [1], max_new_tokens=3, temperature=temperature))


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"temperature": -0.1}, ["temperature"]),
        ({"temperature": float("nan")}, ["temperature"]),
        ({"top_k": 0}, ["top_k"]),
        ({"top_p": 0.0}, ["top_p"]),
        ({"top_p": 1.1}, ["top_p"]),
        ({"repetition_penalty": 0.0}, ["repetition_penalty"]),
        ({"top_k": 0, "top_p": 2.0, "valid_vocab": 0}, ["top_k", "top_p", "valid_vocab"]),
        ({"max_new_tokens": -1}, ["max_new_tokens"]),
        ({"seed": -1}, ["seed"]),
        ({"seed": 1 << 63}, ["seed"]),
        ({"ids": []}, ["prompt"]),
        ({"ids": [1, 300]}, ["prompt"]),
    ],
)
def test_values_that_mean_nothing_are_refused_at_once(
    model: GPT, fields: dict[str, Any], names: list[str]
) -> None:
    options: dict[str, Any] = {"ids": [1], "max_new_tokens": 1} | fields
    with pytest.raises(UserError) as refused:
        sample_tokens(model, **options)
    assert [p.field for p in refused.value.problems] == names


def test_temperature_and_top_k_and_top_p_shape_the_distribution() -> None:
    plain = torch.softmax(LOGITS, 0)
    assert torch.allclose(Sampling().distribution(LOGITS), plain)
    assert torch.allclose(Sampling(temperature=0.5).distribution(LOGITS), torch.softmax(LOGITS * 2, 0))
    assert Sampling(temperature=1e-30).distribution(LOGITS).tolist() == [1, 0, 0, 0, 0]
    two = torch.tensor([plain[0], plain[1], 0, 0, 0]) / (plain[0] + plain[1])
    assert torch.allclose(Sampling(top_k=2).distribution(LOGITS), two)
    assert torch.allclose(Sampling(top_k=99).distribution(LOGITS), plain)
    reach = float(plain[0])
    assert Sampling(top_p=reach - 0.01).distribution(LOGITS).tolist() == [1, 0, 0, 0, 0]
    assert torch.allclose(Sampling(top_p=reach + 0.01).distribution(LOGITS), two)
    assert torch.allclose(Sampling(top_p=1.0).distribution(LOGITS), plain)
    assert LOGITS.tolist() == [2.0, 1.0, 0.0, -1.0, -2.0]


def test_a_repeated_token_becomes_less_likely_whatever_its_sign() -> None:
    before, after = (
        Sampling().distribution(LOGITS),
        Sampling(repetition_penalty=2.0).distribution(LOGITS, [0, 4, 0]),
    )
    assert torch.allclose(after, torch.softmax(torch.tensor([1.0, 1.0, 0.0, -1.0, -4.0]), 0))
    assert after[0] < before[0]
    assert after[4] < before[4]


def test_drawn_tokens_follow_the_distribution() -> None:
    config = GPTConfig(block_size=4, vocab_size=5, n_embd=8, n_head=1, n_layer=1)
    model = GPT(config, seed=0)
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.copy_(LOGITS)
    drawn = Counter(sample_tokens(model, [0], max_new_tokens=2000, top_k=3, seed=0))
    for token, share in enumerate(Sampling(top_k=3).distribution(LOGITS).tolist()):
        assert drawn[token] / 2000 == pytest.approx(share, abs=0.04)
    assert set(drawn) == {0, 1, 2}


def test_characters_come_whole() -> None:
    text = "Zoë — 雪 🙂 " * 9
    pieces = list(stream_text(Bytes(), Bytes().encode("x"), iter(text.encode())))
    assert "".join(pieces) == text
    assert all(len(piece) == 1 for piece in pieces)


def test_bytes_that_never_become_a_character_are_shown_at_the_end() -> None:
    pieces = list(stream_text(Bytes(), [65], iter([66, 0xF0, 67, 0xE2, 0x82])))
    assert pieces == ["B", "\N{REPLACEMENT CHARACTER}C", "\N{REPLACEMENT CHARACTER}"]


def test_a_space_between_tokens_is_kept() -> None:
    tokens = [1, 2, 3] * 12
    text = "".join(stream_text(Words(), [0], iter(tokens)))
    assert text == " upon a time" * 12


def test_text_is_that_of_the_tokens_and_flows_token_by_token(model: GPT) -> None:
    options: dict[str, Any] = {"max_new_tokens": 30, "seed": 5, "valid_vocab": 128}
    tokens = list(sample_tokens(model, Bytes().encode("Once"), **options))
    stream = generate_text(model, Bytes(), Bytes().encode("Once"), **options)
    assert isinstance(stream, Iterator)
    assert list(stream) == [chr(token) for token in tokens]
