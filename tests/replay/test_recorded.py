"""What is recorded can be read, and says how it was trained."""

import json
from math import isclose
from pathlib import Path

import pytest

from random_draws import draw
from recorded import DEFAULT_AFTER, Recording, load, recorded
from replay.recorded_tables import recorded_table
from replay.table import read_table, write_table

FILES = list(recorded())


def whole(task: str, arm: str) -> Recording:
    recording = load(task, arm)
    assert recording is not None
    return recording


@pytest.mark.parametrize(("task", "arm"), FILES)
def test_draws_are_those_of_the_recorded_space(task: str, arm: str) -> None:
    recording = whole(task, arm)
    for training in recording.trainings:
        if training.is_draw:
            drawn = draw(recording.space, int(training.configuration.split()[1]))
            assert json.loads(training.drawn) == drawn
            plain = [value for value in drawn.items() if not isinstance(value[1], str)]
            assert {name: training.values[name] for name, _ in plain} == dict(plain)


@pytest.mark.parametrize(("task", "arm"), FILES)
def test_an_objective_is_made_of_the_cells_of_its_evaluation(task: str, arm: str) -> None:
    for training in whole(task, arm).trainings:
        for value, cells in zip(training.objective_E, training.auc_EC, strict=True):
            known = [auc for auc in cells if auc is not None]
            assert min(known) <= value <= max(known)
        assert list(training.epochs_E) == sorted(training.epochs_E)
        assert list(training.seconds_E) == sorted(training.seconds_E)


@pytest.mark.parametrize(("task", "arm"), FILES)
def test_the_truth_of_a_configuration_is_the_mean_of_its_seeds(task: str, arm: str) -> None:
    bests = [t.best() for t in whole(task, arm).trainings if t.configuration == DEFAULT_AFTER]
    table = recorded_table(task, arm)
    truth = table.configurations[table.default].truth
    assert isclose(truth, sum(bests) / len(bests))


def test_a_table_is_the_same_in_another_process(tmp_path: Path) -> None:
    table = recorded_table(*FILES[0])
    write_table(table, tmp_path / "table.json")
    assert read_table(tmp_path / "table.json") == table
