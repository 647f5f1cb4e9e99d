"""Stacked models that resume from a checkpoint end bit for bit as without a stop, each of them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from cases import Case
from torch import nn

from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.training import fit_stacked as stacked
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.divergence import Diverged
from hinet_search.training.fit import fit
from hinet_search.training.fit_stacked import fit_stacked, fit_together
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import TrainConfig
from tests.training.datasets import separable
from tests.training.fake_models import CPU, Watch, weights_hash

DATA = separable(train_rows=330)  # 11 steps a pass, the last of 10 rows
SEEDS = (3, 4, 5)
Found = list[FitResult | Diverged]
Run = tuple[
    Found, list[nn.Module], list[Watch]
]  # trainings, their models, and what was heard of them


def conditions(data=DATA, **train: object) -> list[Conditions]:
    given = {
        "batch_size": 32,
        "patience": 0,
        "passes": 2.5,
        "evaluations_per_pass": 2,
        "learning_rate": 0.01,
        **train,
    }
    config = TrainConfig.model_validate(given)
    return [
        Conditions(data, data.full_schema, config, seed, 3, objective_named("macro_auc"), CPU)
        for seed in SEEDS
    ]


def built(name: str, *, lost: int | None = None, unlike: int = 0) -> list[nn.Module]:
    """A model per seed, with dropout as it comes; `lost` is one whose loss is no number."""
    models = [
        seeded_model(lambda: Case(name).build(DATA.full_schema), seed + unlike) for seed in SEEDS
    ]
    if lost is not None:
        next(models[lost].parameters()).data.fill_(torch.nan)
    return models


def without_seconds(
    records: list[EvaluationRecord] | tuple[EvaluationRecord, ...],
) -> list[EvaluationRecord]:
    return [replace(record, seconds=0.0) for record in records]


def kept_in(folder: Path) -> list[Checkpoints]:
    """The checkpoints of each, below a folder."""
    return [Checkpoints(folder / str(seed), f"job {seed}") for seed in SEEDS]


def uninterrupted(name: str, given: list[Conditions], lost: int | None = None) -> Run:
    models, watches = built(name, lost=lost), [Watch() for _ in SEEDS]
    return fit_stacked(models, given, watches), models, watches


@cache
def clipped(name: str) -> Run:
    """Train stacked models once, uninterrupted and with clipped gradients, for all steps."""
    return uninterrupted(name, conditions(clip_norm=0.1))


def check(
    name: str,
    given: list[Conditions],
    folder: Path,
    stops: tuple[int, ...],
    *,
    lost: int | None = None,
    uncut: Run | None = None,
) -> Found:
    """Train with a stop before each of these steps; resume each time with new models, from the folder alone."""
    expected, whole, watched = uncut or uninterrupted(name, given, lost)
    before = 0
    for stop in (*stops, None):
        models = built(name, unlike=90) if before else built(name, lost=lost)
        stop_after = None if stop is None else stop - before
        watches = [Watch(stop_after=stop_after) for _ in SEEDS]
        results = fit_stacked(models, given, watches, kept_in(folder))
        # Those that diverged or ran out of patience before are not stopped.
        stopped = [isinstance(result, FitResult) and result.stopped for result in results]
        assert any(stopped) is (stop is not None)
        before = stop or 0
    for number, (result, other) in enumerate(zip(results, expected, strict=True)):
        if number == lost:
            assert str(result) == str(other)
            continue
        assert weights_hash(models[number]) == weights_hash(whole[number])
        assert without_seconds(result.evaluations) == without_seconds(other.evaluations)
        assert without_seconds(watches[number].records) == without_seconds(watched[number].records)
        assert (result.best_step, result.valid_cells) == (other.best_step, other.valid_cells)
    return results


@pytest.mark.parametrize("stops", [(1,), (7, 16), (11,), (12,), (27,)], ids=str)
@pytest.mark.parametrize("name", ["hinet", "mmoe"])
def test_a_stack_resumes_from_any_step_of_any_pass(
    name: str, stops: tuple[int, ...], tmp_path: Path
) -> None:
    check(name, conditions(clip_norm=0.1), tmp_path, stops, uncut=clipped(name))


def test_a_model_that_diverged_before_a_stop_has_diverged_after_it(tmp_path: Path) -> None:
    results = check("mmoe", conditions(), tmp_path, (7,), lost=1)
    assert isinstance(results[1], Diverged)
    assert results[1].step == 1


@pytest.mark.parametrize("stop", [12, 18, 24])
def test_each_model_counts_its_own_patience_on_over_a_stop(stop: int, tmp_path: Path) -> None:
    noise = separable(train_rows=330)
    noise = replace(noise, train=replace(noise.train, labels_RT=noise.train.labels_RT[::-1].copy()))
    results = check("mmoe", conditions(noise, patience=2, passes=9.0), tmp_path, (stop,))
    ended = [len(result.evaluations) for result in results]
    assert len(set(ended)) > 1
    assert max(ended) < 18


@pytest.mark.parametrize(
    "stacked_first", [True, False], ids=["then one by one", "first one by one"]
)
def test_what_began_in_a_stack_resumes_alone_and_the_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stacked_first: bool
) -> None:
    def run(stop_after: int | None, *, pays: bool) -> tuple[list[nn.Module], Found]:
        monkeypatch.setattr(stacked, "stacking_pays", lambda *_: pays)
        models = [model.double() for model in built("mmoe", unlike=0 if stop_after else 90)]
        watches = [Watch(stop_after=stop_after) for _ in SEEDS]
        return models, fit_together(models, conditions(), watches, kept_in(tmp_path))

    whole = [model.double() for model in built("mmoe")]
    fit_stacked(whole, conditions(), [Watch() for _ in SEEDS])
    assert all(result.stopped for result in run(7, pays=stacked_first)[1])
    models, results = run(None, pays=not stacked_first)
    assert not any(result.stopped for result in results)
    for model, other in zip(models, whole, strict=True):
        torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=1e-5, atol=1e-6)


def test_those_that_were_saved_at_other_steps_end_as_the_others(tmp_path: Path) -> None:
    whole = built("mmoe")
    given = conditions()
    fit_stacked(whole, given, [Watch() for _ in SEEDS])
    fit_stacked(
        built("mmoe"), given, [Watch(stop_after=stop) for stop in (7, 12, 7)], kept_in(tmp_path)
    )
    models, watches = built("mmoe", unlike=90), [Watch() for _ in SEEDS]
    results = fit_stacked(models, given, watches, kept_in(tmp_path))
    assert [len(result.evaluations) for result in results] == [5, 5, 5]
    for model, other in zip(models, whole, strict=True):
        torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=1e-3, atol=1e-5)


def test_one_that_ended_before_a_stop_is_not_trained_again(tmp_path: Path) -> None:
    given = conditions(patience=1)
    given = [
        replace(each, config=each.config.model_copy(update={"learning_rate": rate}))
        for each, rate in zip(given, (0.01, 1e-12, 0.01), strict=True)
    ]
    watches = [Watch(stop_after=20) for _ in SEEDS]
    first = fit_stacked(built("mmoe"), given, watches, kept_in(tmp_path))
    assert [result.stopped for result in first] == [True, False, True]
    again = [Watch() for _ in SEEDS]
    results = fit_stacked(built("mmoe", unlike=90), given, again, kept_in(tmp_path))
    assert again[1].asked == 0
    assert without_seconds(results[1].evaluations) == without_seconds(first[1].evaluations)


def test_one_that_diverged_in_a_stack_has_diverged_alone(tmp_path: Path) -> None:
    watches = [Watch(stop_after=7) for _ in SEEDS]
    first = fit_stacked(built("mmoe", lost=1), conditions(), watches, kept_in(tmp_path))
    with pytest.raises(Diverged, match="at step 1") as caught:
        fit(built("mmoe")[1], conditions()[1], Watch(), kept_in(tmp_path)[1])
    assert str(caught.value) == str(first[1])


def test_one_out_of_patience_in_a_stack_is_so_alone(tmp_path: Path) -> None:
    given = conditions(patience=1, learning_rate=1e-12)
    watches = [Watch(stop_after=stop) for stop in (8, None, 8)]
    first = fit_stacked(built("mmoe"), given, watches, kept_in(tmp_path))
    alone = fit(built("mmoe", unlike=90)[1], given[1], Watch(), kept_in(tmp_path)[1])
    assert without_seconds(alone.evaluations) == without_seconds(first[1].evaluations)


def test_a_checkpoint_of_one_model_does_not_hold_the_weights_of_its_stack(tmp_path: Path) -> None:
    watches = [Watch(stop_after=7) for _ in SEEDS]
    fit_stacked(built("mmoe"), conditions(), watches, kept_in(tmp_path))
    alone = Checkpoints(tmp_path / "alone", "job")
    fit(built("mmoe")[0], conditions()[0], Watch(stop_after=7), alone)
    of_stack, of_one = (
        next((tmp_path / name).glob("*.checkpoint")).stat().st_size
        for name in (str(SEEDS[0]), "alone")
    )
    assert of_stack < 1.1 * of_one
