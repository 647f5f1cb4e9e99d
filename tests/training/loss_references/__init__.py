"""Plain definitions of losses, in loops over labels and pairs: `plain(labels, ranking_weight)`."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class PlainLabel:
    """A label that a row has for a head, with what it and its row count and whose row it is."""

    score: float
    label: float
    weight: float
    head: int
    is_amount: bool
    user: int | None
    scenario: int
    row_weight: float = 1.0


Labels = Sequence[PlainLabel]


def log_loss(label: PlainLabel) -> float:
    """-log of the probability of a label; of an amount, half its deviance."""
    if label.is_amount:
        least = label.label - label.label * math.log(label.label) if label.label else 0.0
        return math.exp(label.score) - label.label * label.score - least
    probability = 1 / (1 + math.exp(-label.score))
    return -math.log(probability if label.label == 1 else 1 - probability)


def mean_loss(labels: Labels, loss: Callable[[PlainLabel], float] = log_loss) -> float:
    """The weighted mean of a loss over the labels; row weights have a mean of 1."""
    total = sum(label.weight * label.row_weight * loss(label) for label in labels)
    return total / sum(label.weight for label in labels)


def mean_pair_loss(labels: Labels, group: Callable[[PlainLabel], Hashable]) -> float:
    """The weighted mean of log(1 + exp(lower - higher)) over the pairs of a group and head."""
    total, weights = 0.0, 0.0
    for first, second in combinations(labels, 2):
        higher, lower = sorted((first, second), key=lambda label: -label.label)
        same = first.head == second.head and group(first) == group(second)
        if same and group(first) is not None and higher.label > lower.label:
            weight = math.sqrt(first.weight * second.weight) * first.row_weight * second.row_weight
            total += weight * math.log(1 + math.exp(lower.score - higher.score))
            weights += weight
    return total / weights if weights else 0.0
