"""Print the tables of ranking.md: `ranking.py STUDY BASE VARIANT... [--output FOLDER]`.

Of every arm and variant: macro AUC and AUC within groups, on validation over seeds and on test with
the interval over seeds and users; and the gains of every variant over BASE, arm by arm. Nothing is
corrected for the number of intervals. *Across* is the AUC within groups that span scenarios, the
mean over tasks and seeds of stored test scores.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

import hinet_search
from hinet_search.data.encoded_folder import open_dataset
from hinet_search.results.families import BERNOULLI
from hinet_search.results.finalist_values import arm_values, by_seed, chosen, values_by
from hinet_search.results.metrics import metric_named
from hinet_search.results.objectives import WITHIN_GROUPS
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.scored_cell import ScoredCell
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import Estimate, estimate
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title
from hinet_search.results.within_groups import own_values, values_within
from hinet_search.study.launch_options import DEFAULT_OUTPUT
from hinet_search.training.jobs.messages import scores_path, weights_path
from hinet_search.training.jobs.score import read_scores

MEASURES = ("macro_auc", WITHIN_GROUPS)
Variants = dict[str, StudyRecord]


def number(value: float, *, signed: bool = False) -> str:
    """`0.7123`, or `+0.0012`."""
    text = f"{value:+.4f}" if signed else f"{value:.4f}"
    return text.replace("0.", ".", 1).replace("-", "−")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def with_interval(value: Estimate | None, *, signed: bool = False) -> str:
    """`0.7123 (0.7101 to 0.7145)`."""
    if value is None:
        return "–"
    ends = " to ".join(number(end) for end in value.interval(LEVEL))
    return f"{number(value.mean, signed=signed)} ({ends})"


def across(record: StudyRecord, arm: ArmRecord, output: Path) -> str:
    """Return the AUC within groups over all scenarios, as a mean over tasks and seeds."""
    finalist = chosen(arm)
    if finalist is None:
        return "–"
    test = open_dataset(output / "cache" / record.data.fingerprint).test
    group_R = np.asarray(test.ranked_within).astype(np.int64)
    metric = metric_named(WITHIN_GROUPS)
    values = []
    for run in finalist.runs:
        artifacts = output / "artifacts" / record.name
        path = scores_path(weights_path(artifacts, arm.name, finalist.trial_number, run.seed))
        for score_R, label_R in zip(
            read_scores(path, "test", test).T, test.labels_RT.T, strict=True
        ):
            values.append(metric.value(ScoredCell(score_R, label_R, group_R, family=BERNOULLI)))
    return number(fmean(value for value in values if value is not None))


def levels(variants: Variants, output: Path) -> Iterator[list[str]]:
    """Yield the values of every arm of every variant."""
    for name, record in variants.items():
        for arm in record.arms_and_students:
            of_valid = [by_seed(chosen(arm), "valid", values_by(each)) for each in MEASURES]
            own = own_values(record, arm) or (None, None)
            means = [number(fmean(values.values())) for values in of_valid]
            whole = across(record, arm, output)
            yield [name, title(arm.name), *means, *map(with_interval, own), whole]


def gains(variants: Variants, base: StudyRecord) -> Iterator[list[str]]:
    """Yield the gains of every arm of every other variant over the same arm of `base`."""
    of_base = {arm.name: arm for arm in base.arms_and_students}
    for name, record in variants.items():
        if record is base:
            continue
        for arm in record.arms_and_students:
            theirs = of_base.get(arm.name)
            if theirs is not None:
                pooled = estimate(arm_values(record, arm), arm_values(base, theirs))
                within = estimate(values_within(record, arm), values_within(base, theirs))
                of_valid = [gain_on_validation(arm, theirs, each) for each in MEASURES]
                both = (with_interval(each, signed=True) for each in (pooled, within))
                yield [name, title(arm.name), *of_valid, *both]


def gain_on_validation(arm: ArmRecord, theirs: ArmRecord, measure: str) -> str:
    """Return the mean gain over seeds."""
    ours, others = (by_seed(chosen(each), "valid", values_by(measure)) for each in (arm, theirs))
    return number(fmean(ours.values()) - fmean(others.values()), signed=True)


def tables(study: str, names: Sequence[str], output: Path | None) -> Iterator[str]:
    """Yield the lines of both tables."""
    variants = {name: hinet_search.load(study, variant=name, output=output) for name in names}
    first = ["inputs", "arm"]
    split = ["macro, validation", "within, validation", "macro, test", "within, test"]
    of_levels = list(levels(variants, output or DEFAULT_OUTPUT))
    yield from table([*first, *split, "across, test"], of_levels)
    yield ""
    yield from table([*first, *split], list(gains(variants, variants[names[0]])))


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("variants", nargs="+", help="the first is the base of gains")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    print(*tables(options.study, options.variants, options.output), sep="\n")


if __name__ == "__main__":
    main()
