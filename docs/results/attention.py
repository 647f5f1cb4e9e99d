"""Print SAN's weights between scenarios that are numbered alike: `docs/results/attention.py STUDY`.

For every variant: how much of its attention `small 1` gives to `large 1` and so on, the mean over
such scenarios and the seeds of HiNet's finalist, and what chance gives. `--output` is the folder of
the launch.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import hinet_search
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.overrides import variants_of_study

SMALL, LARGE = "small ", "large "


def own_weights(record: StudyRecord, arm: str = "hinet") -> Iterator[float]:
    """The weight of each small scenario on its large one, for every seed."""
    scenarios = record.data.scenarios
    finalist = next(chosen(each) for each in record.arms if each.name == arm)
    for run in finalist.runs if finalist else ():
        if run.insight is not None and run.insight.attention is not None:
            for row, name in enumerate(scenarios):
                own = name.replace(SMALL, LARGE)
                if name.startswith(SMALL) and own in scenarios:
                    yield run.insight.attention[row][scenarios.index(own)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    for variant in variants_of_study(options.study):
        stored = hinet_search.load(options.study, variant=variant, output=options.output)
        weights = list(own_weights(stored))
        if weights:
            chance = 1 / (len(stored.data.scenarios) - 1)
            print(f"{variant}: {fmean(weights):.2f} of {len(weights)}, by chance {chance:.2f}")
