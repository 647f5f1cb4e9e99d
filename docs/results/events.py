"""Print what the log is worth: `docs/results/events.py STUDY --output FOLDER [VARIANT ...]`.

STUDY has the variant `day`, with label statistics of every night, and variants that add events and
sessions. For every arm its mean on validation and on test over seeds, and the gain over `day`: on
validation over paired seeds (Student t), on test over seeds and users (95 %, one for each arm).
"""

import argparse
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from freshness import mean_on_test
from markdown_tables import number, table
from scipy.stats import t

import hinet_search
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.two_studies import across, common_arms, refuse_other_data
from hinet_search.results.verdict import title

BASE = "day"
HEAD = ("arm", "validation", "gain (95 %)", "test", "gain (95 %)")


def rows(base: StudyRecord, other: StudyRecord) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every arm, then of every student."""
    on_test = {contrast.arm: contrast.difference for contrast in across(base, other)}
    for before, after in common_arms(base, other):
        difference = on_test.get(after.name)
        test = "" if difference is None else interval(*difference_of(difference))
        yield (
            title(after.name),
            number(fmean(by_seed(other, after).values())),
            interval(*paired_gain(by_seed(base, before), by_seed(other, after))),
            number(mean_on_test(other, after)),
            test,
        )
    for student in other.arms_and_students:
        if student.student_of:
            value = number(fmean(by_seed(other, student).values()))
            yield (title(student.name), value, "", number(mean_on_test(other, student)), "")


def difference_of(difference: object) -> tuple[float, float | None, float | None]:
    """The mean of a difference and its interval."""
    return difference.mean, difference.low, difference.high  # type: ignore[attr-defined]


def by_seed(record: StudyRecord, arm: ArmRecord) -> dict[int, float]:
    """Return the values of an arm's finalist on validation by seed."""
    finalist = chosen(arm)
    if finalist is None:
        raise SystemExit(f"{arm.name}: must have a finalist; launch the study to its end")
    return dict(headline_by_seed(record, finalist, "valid"))


def paired_gain(before: dict[int, float], after: dict[int, float]) -> tuple[float, float, float]:
    """Return the mean gain over seeds, with its interval."""
    gains = [after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())]
    mean = fmean(gains)
    half = float(t.ppf(0.975, len(gains) - 1)) * stdev(gains) / sqrt(len(gains))
    return mean, mean - half, mean + half


def interval(mean: float, low: float | None, high: float | None) -> str:
    """Return `+.0041 (.0012 to .0070)`."""
    if low is None or high is None:
        return number(mean, signed=True)
    return f"{number(mean, signed=True)} ({number(low)} to {number(high)})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    records = {
        variant: hinet_search.load(options.study, variant=variant, output=options.output)
        for variant in (BASE, *options.variants)
    }
    for variant in options.variants:
        refuse_other_data(records[BASE], records[variant])
        print(f"\n{variant}\n")
        print("\n".join(table(HEAD, list(rows(records[BASE], records[variant])))))
