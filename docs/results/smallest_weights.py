"""Print the smallest of SAN's weights in a study: `docs/results/smallest_weights.py STUDY`.

A model is a seed of a finalist. What is dropped below a bound changes a sum by no more than the
bound, so the smallest weight says what a bound would save. `--output` is the folder of the launch.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import hinet_search
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.variants import variants_of_study


def weights_on_others(record: StudyRecord) -> Iterator[list[float]]:
    """The weights that scenarios give to others, a list for every seed of every finalist."""
    for arm in record.arms:
        for finalist in arm.finalists:
            for run in finalist.runs:
                table = run.insight.attention if run.insight is not None else None
                if table is not None:
                    yield [
                        weight
                        for row, weights in enumerate(table)
                        for column, weight in enumerate(weights)
                        if row != column
                    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--variant")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    variants = [options.variant] if options.variant else variants_of_study(options.study)
    for variant in variants:
        stored = hinet_search.load(options.study, variant=variant, output=options.output)
        models = list(weights_on_others(stored))
        if models:
            smallest = min(map(min, models))
            equal = 1 / (len(stored.data.scenarios) - 1)
            print(
                f"{variant}: {smallest:.2f} in {len(models)} models, if all were equal {equal:.2f}"
            )
