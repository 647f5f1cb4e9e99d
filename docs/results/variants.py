"""Print what variants of a study gain: `docs/results/variants.py STUDY BASE VARIANT ...`.

For every arm of every VARIANT its mean over seeds on validation and on test, and the gain over the
same arm of BASE: on validation over paired seeds (Student t), on test over seeds and users (95 %,
one for each arm). A gain on validation is **bold** if it is significant after Holm's correction for
the arms of its variant.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from freshness import mean_on_test
from markdown_tables import number, table
from scipy.stats import t

import hinet_search
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.simultaneous import LEVEL, holm
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.two_studies import across, common_arms, refuse_other_data
from hinet_search.results.verdict import title

HEAD = ("arm", "validation", "gain (95 %)", "test", "gain (95 %)")


@dataclass(frozen=True)
class PairedGain:
    """The mean gain over paired seeds, with its interval of 95 % and its p-value alone."""

    mean: float
    low: float
    high: float
    p_value: float


def rows(base: StudyRecord, other: StudyRecord) -> list[tuple[str, ...]]:
    """Return the cells of every arm, then of every student."""
    arms = common_arms(base, other)
    gains = [paired_gain(by_seed(base, before), by_seed(other, after)) for before, after in arms]
    steps = holm([gain.p_value for gain in gains])
    on_test = {contrast.arm: contrast.difference for contrast in across(base, other)}
    cells = []
    for (_, after), gain, step in zip(arms, gains, steps, strict=True):
        text = interval(gain.mean, gain.low, gain.high)
        difference = on_test.get(after.name)
        test = ""
        if difference is not None:
            test = interval(difference.mean, difference.low, difference.high)
        cells.append(
            (
                title(after.name),
                number(fmean(by_seed(other, after).values())),
                f"**{text}**" if step.p_holm < LEVEL else text,
                number(mean_on_test(other, after)),
                test,
            )
        )
    return [*cells, *students(other)]


def students(record: StudyRecord) -> list[tuple[str, ...]]:
    """Return the cells of every student, which has no gain of its own."""
    return [
        (
            title(student.name),
            number(fmean(by_seed(record, student).values())),
            "",
            number(mean_on_test(record, student)),
            "",
        )
        for student in record.arms_and_students
        if student.student_of
    ]


def by_seed(record: StudyRecord, arm: ArmRecord) -> dict[int, float]:
    """Return the values of an arm's finalist on validation by seed."""
    finalist = chosen(arm)
    if finalist is None:
        raise SystemExit(f"{arm.name}: must have a finalist; launch the study to its end")
    return dict(headline_by_seed(record, finalist, "valid"))


def paired_gain(before: dict[int, float], after: dict[int, float]) -> PairedGain:
    """Return the gain over the seeds that both have."""
    gains = [after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())]
    mean = fmean(gains)
    error = stdev(gains) / sqrt(len(gains))
    if not error:  # trees draw nothing: every seed gives the same
        return PairedGain(mean, mean, mean, 0.0 if mean else 1.0)
    half = float(t.ppf(0.975, len(gains) - 1)) * error
    p_value = 2 * float(t.sf(abs(mean) / error, len(gains) - 1))
    return PairedGain(mean, mean - half, mean + half, p_value)


def interval(mean: float, low: float | None, high: float | None) -> str:
    """Return `+.0041 (.0012 to .0070)`."""
    if low is None or high is None:
        return number(mean, signed=True)
    return f"{number(mean, signed=True)} ({number(low)} to {number(high)})"


def main(study: str, base: str, variants: Sequence[str], output: Path | None) -> None:
    """Print a table a variant."""
    before = hinet_search.load(study, variant=base, output=output)
    for variant in variants:
        after = hinet_search.load(study, variant=variant, output=output)
        refuse_other_data(before, after)
        print(f"\n{variant}\n")
        print("\n".join(table(HEAD, rows(before, after))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("base")
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    main(options.study, options.base, options.variants, options.output)
