"""Print what counting labels anew is worth: `docs/results/freshness.py STUDY --output FOLDER`.

STUDY has the variants `never` and `day`, the same rows with statistics of two kinds. For every arm:
its mean on test over seeds in both, the gain with its interval over seeds and users (95 %, one for
each arm), and what the weights of `day` have on test with frozen statistics.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from markdown_tables import number, table

import hinet_search
from hinet_search.results.data_record import FROZEN
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord
from hinet_search.results.staleness import stale_costs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.two_studies import across, common_arms, refuse_other_data
from hinet_search.results.verdict import title

HEAD = ("arm", "never", "every day", "gain (95 %)", "every day, then frozen")


def rows(never: StudyRecord, day: StudyRecord) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every arm."""
    gains = {contrast.arm: contrast.difference for contrast in across(never, day)}
    for before, after in common_arms(never, day):
        difference = gains.get(after.name)
        interval = ""
        if difference is not None and difference.low is not None and difference.high is not None:
            interval = f" ({number(difference.low)} to {number(difference.high)})"
        yield (
            title(after.name),
            number(mean_on_test(never, before)),
            number(mean_on_test(day, after)),
            f"{number(difference.mean, signed=True) if difference else ''}{interval}",
            number(frozen_on_test(day, after)),
        )


def mean_on_test(record: StudyRecord, arm: ArmRecord) -> float:
    """Return the mean of an arm's seeds on test."""
    finalist = chosen(arm)
    if finalist is None or finalist.summary is None:
        raise SystemExit(f"{arm.name}: must be opened on test; launch the study to its end")
    return fmean(headline_by_seed(record, finalist, "test").values())


def frozen_on_test(record: StudyRecord, arm: ArmRecord) -> float:
    """Return the same with frozen statistics."""
    costs = {cost.arm: cost for cost in stale_costs(record, FROZEN)}
    return costs[arm.name].stale


def reachable(record: StudyRecord) -> float | None:
    """Return the mean over cells of the best AUC that any model can reach, where it is known."""
    limits = [cell.reachable_auc for cell in record.data.cells if cell.reachable_auc is not None]
    return fmean(limits) if limits else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    frozen, fresh = (
        hinet_search.load(options.study, variant=variant, output=options.output)
        for variant in ("never", "day")
    )
    refuse_other_data(frozen, fresh)
    print("\n".join(table(HEAD, list(rows(frozen, fresh)))))
    if (limit := reachable(fresh)) is not None:
        print(f"\nThe best reachable AUC is {number(limit)}.")
