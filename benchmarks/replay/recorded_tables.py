"""Recorded tables: the files of `benchmarks/tabular` as tables to replay."""

import json
from collections import defaultdict
from statistics import mean

from recorded import DEFAULT_AFTER, Training, load
from replay.table import Configuration, Table


def recorded_table(task: str, arm: str) -> Table:
    """Return the default of the rule and all draws of an arm on a task.

    The truth of a draw that was not trained again is the value of its one seed, chance included.
    """
    recording = load(task, arm)
    assert recording is not None, f"nothing is recorded of {arm} on {task}"
    trainings = [
        training
        for training in recording.trainings
        if training.is_draw or training.configuration == DEFAULT_AFTER
    ]
    best = defaultdict(list)
    for training in trainings:
        best[training.configuration].append(training.best())
    settings = trainings[0].values
    return Table(
        f"{task} {arm}",
        recording.space,
        tuple(
            _configuration(training, mean(best[training.configuration]))
            for training in trainings
            if training.seed == 1
        ),
        settings["train.epochs"],
        settings["train.evaluations_per_epoch"],
    )


def _configuration(training: Training, truth: float) -> Configuration:
    return Configuration(
        json.loads(training.drawn),
        tuple(training.epochs_E),
        tuple(training.seconds_E),
        tuple(training.objective_E),
        truth,
        is_default=not training.is_draw,
    )
