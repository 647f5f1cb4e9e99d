"""Expected gain: what more trials would bring, judged by the trials so far."""

from collections.abc import Sequence


def expected_gain(values: Sequence[float], more: int) -> float:
    """Return how much `more` trials would raise the best of some values, where larger is better.

    It is what the last `more` of these trials brought on average over all orders of them: the best
    of all, less the expected best of a random part that leaves so many out. A gain of more trials
    than half of these cannot be told by them. Trials that learn from earlier ones may do better.

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
