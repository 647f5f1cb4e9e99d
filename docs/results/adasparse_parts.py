"""AdaSparse, part by part: what its parts bring on validation, with paired seeds.

    HINET_SEARCH_DATA=public python docs/results/adasparse_parts.py rivals/kuairand

trains the default of the arm `adasparse` of a study; test is not opened. "as before" anneals over
1,000 steps, whatever the rows, and neither prunes embeddings nor normalises.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from markdown_tables import number, spread, table

from hinet_search.data.columns import Dataset
from hinet_search.data.study_data import dataset_of
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.results.statistics.paired_difference import gain
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import ResolvedStudy, load_study
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions, count_steps
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trial_config import build_config

CPU = torch.device("cpu")
STEPS_BEFORE = 1000  # over which alpha grew


class Unwatched:
    """Lets a training go on."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Ignore it."""

    def should_stop(self) -> bool:
        """Never."""
        return False


def trained(
    study: ResolvedStudy, dataset: Dataset, changes: Mapping[str, Value], seed: int
) -> float:
    """Return the best objective on validation of one training."""
    arm = next(arm for arm in study.arms if arm.name == "adasparse")
    config = build_config(arm.model, {**arm.space.values(arm.space.default()), **changes})
    view, schema = config.features.view(dataset)
    model = seeded_model(lambda: config.build(schema), seed)
    objective = objective_named(study.spec.objective)
    given = Conditions(view, schema, config.train, seed, seed, objective, CPU)
    value = fit(model, given, Unwatched()).valid_objective
    if value is None:
        raise SystemExit("no evaluation: raise the passes of the study")
    return value


def variants(dataset: Dataset, batch_size: int) -> dict[str, dict[str, Value]]:
    """Return the settings of every variant, "as before" first."""
    config = build_config("adasparse", {"train.batch_size": batch_size})
    passes = STEPS_BEFORE / count_steps(dataset.train.num_rows, config.train)
    without: dict[str, Value] = {"model.prune_embeddings": False, "model.batch_norm": False}
    return {
        "as before": {**without, "model.annealing_passes": passes},
        "annealed over a pass": without,
        "and embeddings pruned": {"model.batch_norm": False},
        "and batch-normalised: the default": {},
    }


def main() -> None:
    """Print a line for every variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(".hinet-search/cache"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(options.study)
    dataset = dataset_of(study, options.cache, print)
    rows: list[list[str]] = []
    before: dict[int, float] = {}
    for name, changes in variants(dataset, batch_size=1024).items():
        values = {seed: trained(study, dataset, changes, seed) for seed in range(options.seeds)}
        before = before or values
        difference = gain(values, before, maximize=True)
        told = f"{number(difference.mean, signed=True)}"
        if values is not before and difference.low is not None and difference.high is not None:
            ends = (number(end, signed=True) for end in (difference.low, difference.high))
            told += f" ({' to '.join(ends)})"
        rows.append([name, spread(list(values.values())), told if values is not before else ""])
        print(rows[-1], flush=True)
    print("\n".join(table(["AdaSparse", "valid", "gain over before"], rows)))


if __name__ == "__main__":
    main()
