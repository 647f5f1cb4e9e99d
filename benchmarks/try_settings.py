"""Try settings: what defaults reach when the rule is changed, over a few seeds.

`python benchmarks/try_settings.py STUDY.yaml --arms shared_bottom mmoe --seeds 3 --set
embedding_learning_rate_multiplier=0.3` prints the mean ± standard deviation of `mean_auc` on
validation for the default of every arm. `--set` changes a field of `TrainingSettings`, or a
parameter by its name (`model.dropout=0.45`).
"""

import argparse
import json
from dataclasses import replace
from statistics import mean, pstdev
from typing import Any

import torch

from hinet_search import api
from hinet_search.data.columns import Dataset
from hinet_search.data.guess.training_settings import TrainingSettings
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import PASSES, Arm
from random_draws import space_around
from record import Configuration, settings_of, train_one


def main() -> None:
    """Print a line for every arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--arms", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepared = api.ready(options.study, LaunchOptions())
    given = {name: json.loads(value) for name, value in (each.split("=") for each in options.set)}
    parameters = {name: value for name, value in given.items() if "." in name}
    fields = {name: value for name, value in given.items() if "." not in name}
    settings = replace(settings_of(prepared.study, prepared.dataset), **fields)
    for arm in prepared.study.arms:
        if arm.name in options.arms:
            configuration = _default(arm, settings, parameters)
            print(_line(arm, configuration, prepared.dataset, options.seeds), flush=True)


def _default(arm: Arm, settings: TrainingSettings, parameters: dict[str, Any]) -> Configuration:
    """Return the default around these settings; an arm takes the parameters that it searches."""
    space = space_around(arm.space, settings)
    drawn = space.default()
    drawn |= {name: value for name, value in parameters.items() if name in drawn}
    passes = {**settings.fixed, PASSES: float(settings.passes)}
    return Configuration("default", drawn, {**space.values(drawn), **passes})


def _line(arm: Arm, configuration: Configuration, dataset: Dataset, seeds: int) -> str:
    trainings = [train_one(configuration, arm, dataset, seed) for seed in range(1, seeds + 1)]
    values = [training.best() for training in trainings]
    passes = mean(training.passes_E[-1] for training in trainings)
    return f"{arm.name}: {mean(values):.4f} ± {pstdev(values):.4f}, ended after {passes:.1f} passes"


if __name__ == "__main__":
    main()
