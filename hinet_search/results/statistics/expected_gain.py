"""Expected gain: what as many trials again would bring, judged by the trials so far."""

from collections.abc import Sequence


def expected_gain(values: Sequence[float], more: int) -> float:
    """Return how much `more` trials would raise the best of some values, where larger is better.

    It is what the last `more` of these trials brought on average over all orders of them: the
    best of all, less the expected best of a random part that leaves so many out. At most half of
    them are left out; the gain of more trials than that is estimated by the half, which is more
    than they would bring, as gains become fewer. Trials that learn from earlier ones may do better.

    Source: the expected maximum of a sample without replacement, by order statistics.
    """
    assert values, "there is a value"
    ranked = sorted(values, reverse=True)
    num_kept = len(ranked) - min(more, len(ranked) // 2)
    expected, all_others = 0.0, 1.0  # the probability that no better value was kept
    for rank, value in enumerate(ranked):
        others = len(ranked) - rank
        share = min(1.0, num_kept / others)  # that the best of those left is in the kept part
        expected += all_others * share * value
        all_others *= 1 - share
    return ranked[0] - expected
