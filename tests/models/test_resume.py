"""A training that resumes from a checkpoint ends bit for bit as without a stop."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from cases import Case, every_case

from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.study.distributions import Value
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config
from tests.training.datasets import separable
from tests.training.fake_models import CPU, Watch, weights_hash

DATA = separable(train_rows=330)  # 11 steps an epoch, the last of 10 rows
FEWER = separable(train_rows=170, valid_rows=100)  # 6 steps an epoch, the last of 10 rows
Run = tuple[FitResult, str, Watch]  # of a training, with the hash of its weights
TOP_K: dict[str, Value] = {"model.san.top_k": 1, "model.san.warmup_epochs": 1}


def conditions(data=DATA, **train: object) -> Conditions:
    given = {
        "batch_size": 32,
        "patience": 0,
        "epochs": 2.5,
        "evaluations_per_epoch": 2,
        "learning_rate": 0.01,
        **train,
    }
    config = TrainConfig.model_validate(given)
    return Conditions(data, data.full_schema, config, 3, objective_named("macro_auc"), CPU)


def without_seconds(
    records: list[EvaluationRecord] | tuple[EvaluationRecord, ...],
) -> list[EvaluationRecord]:
    return [replace(record, seconds=0.0) for record in records]


def interrupted(build, given: Conditions, folder: Path, stops: tuple[int, ...]) -> Run:
    """Train with a stop before each of these steps; resume each time with a new model, from the folder alone."""
    before = 0
    for stop in (*stops, None):
        model, watch = (
            seeded_model(build, 99),
            Watch(stop_after=None if stop is None else stop - before),
        )
        if not before:
            model = seeded_model(build, 3)
        result = fit(model, given, watch, Checkpoints(folder, "job"))
        assert result.stopped is (stop is not None)
        before = stop or 0
    return result, weights_hash(model), watch


def uninterrupted(build, given: Conditions) -> Run:
    model, watch = seeded_model(build, 3), Watch()
    result = fit(model, given, watch)
    return result, weights_hash(model), watch


def check(
    build, given: Conditions, folder: Path, stops: tuple[int, ...], whole: Run | None = None
) -> None:
    expected, expected_digest, watched = whole or uninterrupted(build, given)
    resumed, digest, watch = interrupted(build, given, folder, stops)
    assert digest == expected_digest
    assert without_seconds(resumed.evaluations) == without_seconds(expected.evaluations)
    assert without_seconds(watch.records) == without_seconds(watched.records), (
        "earlier evaluations are told again"
    )
    assert (resumed.best_step, resumed.valid_cells) == (expected.best_step, expected.valid_cells)
    seconds = [record.seconds for record in resumed.evaluations]
    assert seconds == sorted(seconds)


@every_case
def test_every_network_resumes_from_the_middle_of_an_epoch(case: Case, tmp_path: Path) -> None:
    given = conditions(FEWER, epochs=1.5)
    check(lambda: case.build(FEWER.full_schema, 3), given, tmp_path, (4, 8))


def hinet(values: dict[str, Value]) -> Iterator[object]:
    schema = replace(DATA.full_schema, scenarios=("home", "search", "feed"))
    return build_config("hinet", values).build(schema)


BUILT: dict[str, Callable[[], object]] = {
    "hinet": lambda: Case("hinet").build(DATA.full_schema, 3),
    "mmoe": lambda: Case("mmoe").build(DATA.full_schema, 3),
    "chosen scenarios": lambda: hinet(TOP_K),
    "normalised": lambda: hinet({"model.normalisation": "batch"}),
}


@cache
def whole(name: str) -> Run:
    """Train once, uninterrupted, for all steps."""
    return uninterrupted(BUILT[name], conditions())


@pytest.mark.parametrize("stop", [1, 5, 6, 10, 11, 12, 17, 26, 27])
@pytest.mark.parametrize("name", ["hinet", "mmoe"])
def test_a_training_resumes_from_any_step_of_any_epoch(
    name: str, stop: int, tmp_path: Path
) -> None:
    check(BUILT[name], conditions(), tmp_path, (stop,), whole(name))


@pytest.mark.parametrize("stop", [9, 11, 14])
def test_moving_statistics_of_hidden_layers_are_resumed(stop: int, tmp_path: Path) -> None:
    check(BUILT["normalised"], conditions(), tmp_path, (stop,), whole("normalised"))


@pytest.mark.parametrize("stop", [9, 11, 14])
def test_scenarios_that_attention_has_chosen_stay_chosen(stop: int, tmp_path: Path) -> None:
    check(BUILT["chosen scenarios"], conditions(), tmp_path, (stop,), whole("chosen scenarios"))


@pytest.mark.parametrize("optimiser", ["adam", "lazy_adam"])
@pytest.mark.parametrize(
    "more",
    [{}, {"embedding_l2": 0.01, "clip_norm": 0.1, "rate_decay": True}, {"precision": "bf16"}],
    ids=str,
)
def test_every_optimiser_resumes(optimiser: str, more: dict[str, object], tmp_path: Path) -> None:
    given = conditions(FEWER, embedding_optimiser=optimiser, epochs=1.5, **more)
    check(lambda: Case("shared_bottom").build(FEWER.full_schema, 3), given, tmp_path, (4, 8))


@pytest.mark.parametrize("stop", [6, 12, 14, 20])
def test_patience_and_falls_of_rates_are_counted_on_over_a_stop(stop: int, tmp_path: Path) -> None:
    noise = separable(train_rows=330)
    noise = replace(noise, train=replace(noise.train, labels_RT=noise.train.labels_RT[::-1].copy()))
    given = conditions(noise, patience=2, epochs=9.0, plateau_factor=0.5)
    check(lambda: Case("shared_bottom").build(noise.full_schema, 3), given, tmp_path, (stop,))


def test_a_stop_between_the_last_evaluation_and_the_end_trains_no_further(tmp_path: Path) -> None:
    given = conditions(epochs=1.0, evaluations_per_epoch=1)
    build = lambda: Case("shared_bottom").build(DATA.full_schema, 3)  # noqa: E731  a builder in one line
    first = fit(
        seeded_model(build, 3), given, Watch(), Checkpoints(tmp_path, "job", seconds_apart=0.0)
    )
    again = fit(seeded_model(build, 4), given, Watch(), Checkpoints(tmp_path, "job"))
    assert without_seconds(first.evaluations) == without_seconds(again.evaluations)


def test_generators_outside_are_left_as_they_were(tmp_path: Path) -> None:
    build = lambda: Case("mmoe").build(DATA.full_schema, 3)  # noqa: E731  a builder in one line
    fit(seeded_model(build, 3), conditions(), Watch(stop_after=4), Checkpoints(tmp_path, "job"))
    before = torch.get_rng_state()
    fit(seeded_model(build, 3), conditions(), Watch(), Checkpoints(tmp_path, "job"))
    assert torch.equal(torch.get_rng_state(), before)
