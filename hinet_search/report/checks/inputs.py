"""Inputs: whether it is shown of every group of inputs that it helps, or that it may go."""

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.ablation import measured_inputs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words

ORDER = 26


def check(record: StudyRecord) -> Finding | None:
    """Warn of groups that were kept although no gain is shown."""
    measured = measured_inputs(record)
    if measured is None:
        return None
    if not measured.followers:
        return passed("Groups of inputs were only measured: no arm follows the choice.")
    choice = measured.choice
    seeds = numbers.plural(measured.num_seeds, "seed")
    kept = []
    details = []
    for group, worth in choice.worths.items():
        if group not in (*choice.useful, *measured.dropped):
            kept.append(group)
            interval = numbers.interval(worth.low, worth.high)
            details.append(f"{group}: {numbers.gain(worth.mean)} ({interval}).")
    if not kept:
        return passed(f"Every group of inputs is kept or dropped by what {seeds} show.")
    return warning(
        f"No gain is shown with {in_words(kept)} over {seeds}: kept, but perhaps worth nothing.",
        details,
        remedy="Under another study name, raise `inputs: {seeds: 10}`, which narrows the "
        "intervals, or set `fixed: {features.groups: ...}` yourself.",
    )
