"""Record: trains configurations of the joint arms on the development tasks, and keeps their curves.

`python benchmarks/tasks.py FOLDER`, then `python benchmarks/record.py FOLDER [--tasks --arms
--draws 40 --again 0.1]`. On every task it trains each arm's default as the spaces have it (at most
4 epochs), the default that `data init` would write for the task, and random configurations of the
space around the latter. `--again` trains that default and the best share of the draws with four
more seeds, since the best of many has selection bias. Trainings end when validation stops
improving, and nothing prunes them; no test split is opened. Files are those of `recorded.py`: what
is there is not trained again, so it can be stopped at any time, and two processes may record
different tasks or arms.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hinet_search import api
from hinet_search.data.columns import Dataset
from hinet_search.data.guess.training_settings import TrainingSettings, training_settings
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.study.distributions import Value
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import EPOCHS, Arm, ResolvedStudy
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import fit_any, trainable
from hinet_search.training.trial_config import build_config
from random_draws import draw, parameters_of, space_around
from recorded import DEFAULT_AFTER, DEFAULT_BEFORE, Recording, Training, best_draws, load, save
from replay.table import Parameter
from tasks import TASKS

EPOCHS_BEFORE = 4.0
OBJECTIVE = "mean_auc"
SEED, MORE_SEEDS = 1, (2, 3, 4, 5)
CPU = torch.device("cpu")


def main() -> None:
    """Train and keep what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--arms", nargs="+")
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--again", type=float, default=0.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for task in options.tasks:
        prepared = api.ready(str(options.folder / f"{task}.yaml"), LaunchOptions())
        settings = settings_of(prepared.study, prepared.dataset)
        arms = {arm.name: arm for arm in prepared.study.arms}
        for name in options.arms or arms:
            _record(task, arms[name], prepared.dataset, settings, options)


def settings_of(study: ResolvedStudy, dataset: Dataset) -> TrainingSettings:
    """Return what `data init` would write for the task."""
    features = study.spec.data.features
    return training_settings(
        dataset.train.num_rows,
        has_statistics=features.statistics is not None,
        has_numbers=bool(features.numeric),
    )


def _record(
    task: str, arm: Arm, dataset: Dataset, settings: TrainingSettings, options: argparse.Namespace
) -> None:
    """Train what the file of a task and an arm lacks, and defaults that have changed."""
    around = space_around(arm.space, settings)
    recording = load(task, arm.name) or Recording(parameters_of(around))
    configurations = {
        each.name: each for each in _configurations(arm, settings, recording.space, options.draws)
    }

    def train(names: Iterable[str], seed: int) -> Recording:
        trained = recording
        for name in names:
            configuration = configurations[name]
            if not configuration.is_in(trained.trainings, seed):
                training = train_one(configuration, arm, dataset, seed)
                trained = trained.with_training(training)
                save(task, arm.name, trained)
                best, seconds = training.best(), training.seconds_E[-1]
                said = f"{task} {arm.name} {name}, seed {seed}: {best:.4f} in {seconds:.0f} s"
                print(said, flush=True)
        return trained

    recording = train(configurations, SEED)
    if options.again:
        again = [DEFAULT_AFTER, *best_draws(recording.trainings, options.again)]
        for seed in MORE_SEEDS:
            recording = train(again, seed)


@dataclass(frozen=True)
class Configuration:
    """A configuration of an arm: its name, what was drawn, and all its values."""

    name: str
    drawn: Mapping[str, Any]
    values: Mapping[str, Value]

    @property
    def settings(self) -> str:
        """Its values as JSON."""
        return json.dumps({key: value for key, value in self.values.items() if "." in key})

    def is_in(self, trainings: Iterable[Training], seed: int) -> bool:
        """Whether it is recorded with a seed. A draw is known by its name alone."""
        return any(
            (each.configuration, each.seed) == (self.name, seed)
            and (each.is_draw or self._trains_like(each))
            for each in trainings
        )

    def _trains_like(self, training: Training) -> bool:
        """Whether it would train alike: its epochs may differ if patience ended the training."""
        mine, recorded = json.loads(self.settings), dict(training.values)
        epochs = {mine.pop(EPOCHS), recorded.pop(EPOCHS)}
        ended_by_patience = training.epochs_E[-1] < min(epochs)
        return mine == recorded and (len(epochs) == 1 or ended_by_patience)


def _configurations(
    arm: Arm, settings: TrainingSettings, recorded: Sequence[Parameter], num_draws: int
) -> Iterator[Configuration]:
    """Yield every configuration of an arm; draws are from the recorded space."""
    space, around = arm.space, space_around(arm.space, settings)
    epochs_before = {EPOCHS: EPOCHS_BEFORE}
    default = space.default()
    yield Configuration(DEFAULT_BEFORE, default, {**space.values(default), **epochs_before})
    epochs = {**settings.fixed, EPOCHS: float(settings.epochs)}
    draws = {DEFAULT_AFTER: around.default()}
    draws |= {f"draw {number}": draw(recorded, number) for number in range(num_draws)}
    for name, drawn in draws.items():
        yield Configuration(name, drawn, {**around.values(drawn), **epochs})


def train_one(configuration: Configuration, arm: Arm, dataset: Dataset, seed: int) -> Training:
    config = build_config(arm.model, configuration.values)
    data, schema = config.features.view(dataset)
    model = trainable(seeded_model(lambda: config.build(schema), seed), schema, CPU)
    watcher = _Watcher([], [], time.process_time())
    conditions = Conditions(data, schema, config.train, seed, objective_named(OBJECTIVE), CPU)
    fit_any(model, conditions, watcher)
    evaluations = watcher.evaluations
    return Training(
        configuration=configuration.name,
        seed=seed,
        drawn=json.dumps(configuration.drawn),
        settings=configuration.settings,
        parameters=model.num_parameters()[0],
        flops_per_row=model.flops_per_row(),
        train_rows=data.train.num_rows,
        cells=[f"{cell.scenario} / {cell.task}" for cell in evaluations[0].cells],
        epochs_E=[record.epochs for record in evaluations],
        seconds_E=watcher.seconds,
        objective_E=[record.objective for record in evaluations],
        train_loss_E=[record.train_loss for record in evaluations],
        auc_EC=[[cell.auc for cell in record.cells] for record in evaluations],
    )


@dataclass(frozen=True)
class _Watcher:
    """Keeps the evaluations of a training with their CPU seconds, and never stops it."""

    evaluations: list[EvaluationRecord]
    seconds: list[float]
    began: float

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self.evaluations.append(record)
        self.seconds.append(time.process_time() - self.began)

    def should_stop(self) -> bool:
        return False

    def notice(self, text: str) -> None:
        pass


if __name__ == "__main__":
    main()
