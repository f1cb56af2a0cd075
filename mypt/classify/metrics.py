"""How good predictions are: pure functions of counts."""

from __future__ import annotations

from collections.abc import Sequence

ACCURACY, MACRO_F1 = "accuracy", "macro_f1"


def confusion(truth: Sequence[int], predicted: Sequence[int], classes: int) -> list[list[int]]:
    """Counts by true class (rows) and predicted class (columns)."""
    counts = [[0] * classes for _ in range(classes)]
    for true, given in zip(truth, predicted, strict=True):
        counts[true][given] += 1
    return counts


def accuracy(counts: Sequence[Sequence[int]]) -> float:
    """The share of predictions that are right; nan of none."""
    total = sum(map(sum, counts))
    return sum(counts[i][i] for i in range(len(counts))) / total if total else float("nan")


def macro_f1(counts: Sequence[Sequence[int]]) -> float:
    """The mean of F1 = 2·TP / (2·TP + FP + FN) over the classes that occur or are predicted; nan where none does."""
    found = []
    for index in range(len(counts)):
        right = counts[index][index]
        true, given = sum(counts[index]), sum(row[index] for row in counts)
        if true + given:
            found.append(2 * right / (true + given))
    return sum(found) / len(found) if found else float("nan")


def scores(counts: Sequence[Sequence[int]]) -> dict[str, float]:
    """Both, by the names that the log has them under."""
    return {ACCURACY: accuracy(counts), MACRO_F1: macro_f1(counts)}
