"""Log losses, each times the square of what its probability lacks of 1."""

import math

from tests.training.loss_references import Labels, PlainLabel, log_loss, mean_loss


def plain(labels: Labels, ranking_weight: float) -> float:
    """The mean over labels."""
    return mean_loss(labels, _focal)


def _focal(label: PlainLabel) -> float:
    loss = log_loss(label)
    return loss if label.is_amount else (1 - math.exp(-loss)) ** 2 * loss
