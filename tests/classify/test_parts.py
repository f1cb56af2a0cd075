from __future__ import annotations

import math
import random

import numpy as np
import pytest

from mypt.classify import metrics
from mypt.classify.encode import encode, encode_rows, said_cut
from mypt.classify.spec import Spec, separator_of
from mypt.classify.split import TextSplit
from mypt.classify.table import Row
from mypt.errors import UserError
from mypt.settings.model_config import GPTConfig
from mypt.tokenizers import CharTokenizer, create

CHARS = CharTokenizer("\n abcdef")
PAIR = Spec(("x", "y"), ("a", "b"), "label", (0,))


def text_of(ids: object) -> str:
    return CHARS.decode(list(ids))  # type: ignore[call-overload]


def test_a_pair_is_two_texts_each_with_its_end() -> None:
    ids, cut = encode(("ab", "cd ef"), CHARS, PAIR, 20)
    assert text_of(ids) == "ab\ncd ef\n" and not cut


@pytest.mark.parametrize(
    ("texts", "limit", "expected"),
    [
        (("abcdef", "ab"), 8, "abcd\nab\n"),
        (("ab", "abcdef"), 8, "ab\nabcd\n"),
        (("abcdef", "abcdef"), 9, "abcd\nabc\n"),
        (("abcdef", "abcdef"), 14, "abcdef\nabcdef\n"),
    ],
)
def test_the_longer_text_is_cut_at_its_end(texts: tuple[str, str], limit: int, expected: str) -> None:
    ids, cut = encode(texts, CHARS, PAIR, limit)
    assert text_of(ids) == expected and len(ids) <= limit
    assert cut == (len("".join(texts)) + 2 > limit)


def test_rows_that_were_cut_are_counted_and_named() -> None:
    rows = [Row(line, ("a" * line, "b"), "x") for line in range(1, 20)]
    encoded = encode_rows(rows, CHARS, PAIR, 10)
    assert encoded.cut == list(range(8, 20))
    assert said_cut(encoded.cut, 19, "train.jsonl", 10) == (
        "train.jsonl: 12 of 19 rows are longer than 10 tokens and are cut at the end of their longer text: lines 8, 9, 10, "
        "11, 12 and 7 more; a larger --block_size reads more"
    )


def test_what_ends_a_text_is_never_what_hides_the_text() -> None:
    gpt2 = create("gpt2")
    assert separator_of(gpt2, GPTConfig()) == (50256,)
    # Networks that look at nothing before the mark between documents would see an empty text.
    assert separator_of(gpt2, GPTConfig(document_token=50256)) == tuple(gpt2.encode("\n"))
    assert separator_of(CHARS, GPTConfig()) == (0,)
    assert separator_of(CharTokenizer("a b"), GPTConfig()) == (1,)
    assert separator_of(CharTokenizer("ab"), GPTConfig()) == ()


def test_a_bundles_field_is_read_back_and_checked() -> None:
    assert Spec.of({"classifier": PAIR.to_json()}, where="config.json") == PAIR
    for change, said in (
        ({"classes": ["x"]}, "classes: must name two classes or more"),
        ({"classes": "xy"}, "classes: must be a list of texts"),
        ({"text_columns": []}, "text_columns: must name one or two columns"),
        ({"separator": [True]}, "separator: must be a list of whole numbers"),
    ):
        with pytest.raises(UserError, match=said):
            Spec.of({"classifier": {**PAIR.to_json(), **change}}, where="config.json")


def split_of(number: int, *, whole: bool = False) -> TextSplit:
    draw = random.Random(5)
    rows = [np.full(draw.randint(1, 9), place + 1, np.int32) for place in range(number)]
    return TextSplit(rows, [place % 3 for place in range(number)], whole=whole)


def test_every_epoch_draws_each_row_once_in_an_order_of_its_own() -> None:
    split = split_of(11)
    assert split.updates(4) == 3
    epochs = [
        [
            split.update_places(3 * epoch + place, batches=2, batch_size=2, block_size=9, seed=1)
            for place in (1, 2, 3)
        ]
        for epoch in range(3)
    ]
    assert [len(places) for places in epochs[0]] == [4, 4, 3]
    orders = [tuple(np.concatenate(places)) for places in epochs]
    assert all(sorted(order) == list(range(11)) for order in orders) and len(set(orders)) == 3
    # A function of the seed and the update alone, whatever was drawn before.
    fresh = split_of(11).update_places(8, batches=2, batch_size=2, block_size=9, seed=1)
    assert tuple(fresh) == orders[2][4:8]
    other = split_of(11).update_places(8, batches=2, batch_size=2, block_size=9, seed=2)
    assert tuple(other) != orders[2][4:8]


def test_a_batch_marks_the_last_token_of_each_row() -> None:
    split = split_of(6)
    places = np.array([4, 0, 2])
    batch = split.gather(places, 100)
    assert batch.mask is not None and batch.x.shape == batch.y.shape == batch.mask.shape
    assert batch.x.shape[1] % 8 == 0
    for row, place in enumerate(places):
        length = len(split.rows[place])
        assert (batch.x[row, :length] == split.rows[place]).all() and not batch.x[row, length:].any()
        assert batch.mask[row].sum() == 1 and batch.mask[row, length - 1] == 1
        assert batch.y[row, length - 1] == place % 3
    # Positions beyond the context do not exist.
    assert split.gather(places, 9).x.shape[1] == 9


def test_an_evaluation_looks_at_all_rows_of_one_and_at_some_of_the_other() -> None:
    assert list(split_of(9, whole=True).places(2, 9, 7)) == list(range(9))
    some = split_of(9).places(4, 9, 7)
    assert len(set(some)) == 4 and list(some) == list(split_of(9).places(4, 9, 7))


def test_a_fingerprint_tells_texts_and_classes() -> None:
    split = split_of(5)
    assert split.fingerprint() == split_of(5).fingerprint()
    other = split_of(5)
    other.classes[1] = 2
    assert other.fingerprint() != split.fingerprint()
    moved = TextSplit([np.array([1], np.int32), np.array([2, 3], np.int32)], [0, 0])
    joined = TextSplit([np.array([1, 2], np.int32), np.array([3], np.int32)], [0, 0])
    assert moved.fingerprint() != joined.fingerprint()


def test_accuracy_and_macro_f1_by_hand() -> None:
    counts = metrics.confusion([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0], 4)
    assert counts == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert metrics.accuracy(counts) == 4 / 6
    # Class 3 neither occurs nor is predicted, so it does not count; class 2 is never found.
    assert metrics.macro_f1(counts) == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    assert metrics.scores(counts) == {"accuracy": 4 / 6, "macro_f1": metrics.macro_f1(counts)}
    assert math.isnan(metrics.accuracy([[0]])) and math.isnan(metrics.macro_f1([[0]]))
