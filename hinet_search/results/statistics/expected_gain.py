"""Expected gain: what the last trials of a search brought, on average over their orders."""

from collections.abc import Sequence


def expected_gain(values: Sequence[float], more: int) -> float:
    """Return how much the last `more` of some trials raised the best value; larger is better.

    It is the average over all orders of them: the best of all, less the expected best of a random
    part that leaves so many out. A gain of more trials than half of these cannot be told by them.
    As many further trials bring more in a sixth of arms if all are random, and in most arms if they
    learn from earlier ones: it is no bound on what comes (docs/results/claims.md).

    Source: the expected maximum of a sample without replacement, by order statistics.
    """
    assert 0 < more <= len(values) // 2, "a part of the values is left out"
    ranked = sorted(values, reverse=True)
    num_kept = len(ranked) - more
    expected, all_others = 0.0, 1.0  # the probability that no better value was kept
    for rank, value in enumerate(ranked):
        others = len(ranked) - rank
        share = min(1.0, num_kept / others)  # that the best of those left is in the kept part
        expected += all_others * share * value
        all_others *= 1 - share
    return max(0.0, ranked[0] - expected)  # rounding
