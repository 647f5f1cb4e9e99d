"""Defaults: what the default configuration of every joint arm reaches on the development tasks.

`python benchmarks/tasks.py FOLDER`, then `python benchmarks/defaults.py FOLDER`. On every task it
trains each arm's default as the spaces have it (*before*, at most 4 passes), the default that
`data init` would write for the task (*after*), and `--draws` random configurations of the space
around the latter. Values are the objective `mean_auc` on validation, of one seed; no test split is
opened. Results are appended to FOLDER/defaults.jsonl, and what is there is not trained again, so
it can be stopped at any time. The last lines that are printed are the table.
"""

import argparse
import json
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hinet_search import api
from hinet_search.data.columns import Dataset
from hinet_search.data.guess.training_settings import TrainingSettings, training_settings
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.study.distributions import Choice, Value
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import Arm, Study
from hinet_search.study.parameter_changes import ParameterChange, changed
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import fit_all, trainable
from hinet_search.training.trial_config import build_config
from tasks import TASKS

BEFORE, AFTER = "before", "after"
PASSES_BEFORE = 4.0
SEED = 1
OBJECTIVE = "mean_auc"
CPU = torch.device("cpu")

Result = dict[str, Any]


def main() -> None:
    """Train what is missing, then print the table of all results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--arms", nargs="+")
    parser.add_argument("--draws", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.folder / "defaults.jsonl"
    for task in options.tasks:
        for trained in _missing(options.folder / f"{task}.yaml", path, options):
            with path.open("a") as file:
                file.write(json.dumps({"task": task, **trained}) + "\n")
    print("\n".join(_table(_results(path))))


def _missing(study: Path, path: Path, options: argparse.Namespace) -> Iterator[Result]:
    """Train what a task lacks."""
    known = {(r["task"], r["arm"], r["what"]) for r in _results(path)}
    prepared = api.ready(str(study), LaunchOptions())
    settings = _settings(prepared.study, prepared.dataset)
    for arm in prepared.study.arms:
        if options.arms and arm.name not in options.arms:
            continue
        for what, values in _configurations(arm, settings, options.draws):
            if (study.stem, arm.name, what) not in known:
                yield {"arm": arm.name, "what": what, **_train(arm, values, prepared.dataset)}


def _settings(study: Study, dataset: Dataset) -> TrainingSettings:
    has_statistics = study.spec.data.features.statistics is not None
    return training_settings(dataset.train.num_rows, has_statistics=has_statistics)


def _configurations(
    arm: Arm, settings: TrainingSettings, num_draws: int
) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Every configuration of an arm with its name."""
    space = arm.space
    yield BEFORE, {**space.values(space.default()), "train.passes": PASSES_BEFORE}
    changes = {
        name: ParameterChange.model_validate(change) for name, change in settings.parameters.items()
    }
    around = changed(space, changes, lambda location: ".".join(map(str, location)))
    passes = {**settings.fixed, "train.passes": float(settings.passes)}
    yield AFTER, {**around.values(around.default()), **passes}
    for number in range(num_draws):
        drawn = around.suggest(_RandomTrial(number))
        yield f"draw {number}", {**around.values(drawn), **passes}


def _train(arm: Arm, values: Mapping[str, Value], dataset: Dataset) -> Result:
    config = build_config(arm.model, values)
    data, schema = config.features.view(dataset)
    model = trainable(seeded_model(lambda: config.build(schema), SEED), schema, CPU)
    watcher = _Watcher([])
    began = time.process_time()
    conditions = Conditions(data, schema, config.train, SEED, SEED, objective_named(OBJECTIVE), CPU)
    fit_all([model], [conditions], [watcher], [None])
    best = max(watcher.evaluations, key=lambda record: record.objective)
    seconds = round(time.process_time() - began, 1)
    return {
        "value": best.objective,
        "passes": best.passes,
        "seconds": seconds,
        "settings": {name: value for name, value in values.items() if "." in name},
    }


@dataclass(frozen=True)
class _Watcher:
    """Keeps the evaluations of a training, and never stops it."""

    evaluations: list[EvaluationRecord]

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self.evaluations.append(record)

    def should_stop(self) -> bool:
        return False


@dataclass(frozen=True)
class _RandomTrial:
    """A random configuration: a parameter has the same value in every arm that has its range."""

    number: int

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        if log:
            return round(self.suggest_float(name, low, high, log=True))
        return int(self._generator(name).choice(np.arange(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        share = self._generator(name).random()
        if log:
            return float(low * (high / low) ** share)
        drawn = low + share * (high - low)
        return float(drawn if step is None else low + round((drawn - low) / step) * step)

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        return choices[self._generator(name).integers(len(choices))]

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.number, zlib.crc32(name.encode())])


def _results(path: Path) -> list[Result]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _table(results: Sequence[Result]) -> Iterator[str]:
    """A row for every task: before / after / best of all configurations, by arm."""
    arms = list(dict.fromkeys(result["arm"] for result in results))
    yield f"| task | {' | '.join(arms)} |"
    yield "|---" * (len(arms) + 1) + "|"
    for task in dict.fromkeys(result["task"] for result in results):
        cells = [
            _cell([r for r in results if (r["task"], r["arm"]) == (task, arm)]) for arm in arms
        ]
        yield f"| {task} | {' | '.join(cells)} |"


def _cell(results: Sequence[Result]) -> str:
    values = {result["what"]: result["value"] for result in results}
    draws = len([what for what in values if what.startswith("draw")])
    parts = [values.get(BEFORE), values.get(AFTER), max(values.values()) if draws else None]
    return " / ".join(f"{part:.4f}".lstrip("0") for part in parts if part is not None)


if __name__ == "__main__":
    main()
