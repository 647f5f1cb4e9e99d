"""The mean log loss, and that of the pairs of a user."""

from tests.training.loss_references import Labels, mean_loss, mean_pair_loss


def plain(labels: Labels, ranking_weight: float) -> float:
    """The mean over labels, and the weighted mean over pairs."""
    return mean_loss(labels) + ranking_weight * mean_pair_loss(labels, lambda label: label.user)
