"""The mean log loss, and -log of a softmax over the rows of a user and head."""

import math

from tests.training.loss_references import Labels, mean_loss


def plain(labels: Labels, ranking_weight: float) -> float:
    """The mean over labels, and the mean over the labels of lists, each by its value."""
    return mean_loss(labels) + ranking_weight * _mean_of_lists(labels)


def _mean_of_lists(labels: Labels) -> float:
    total = weights = 0.0
    for row in labels:
        list_ = [
            other
            for other in labels
            if other.head == row.head and other.user == row.user and other.row_weight
        ]
        if row.user is None or len({other.label for other in list_}) < 2:
            continue
        sum_of_list = sum(other.row_weight * math.exp(other.score) for other in list_)
        weight = row.weight * row.row_weight * row.label
        total += weight * (math.log(sum_of_list) - row.score)
        weights += weight
    return total / weights if weights else 0.0
