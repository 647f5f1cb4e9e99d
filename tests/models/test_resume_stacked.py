"""A stack that goes on from a checkpoint ends bit for bit where it would have ended without a stop, model by model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases import Case
from torch import nn

from hinet_search.objective import objective_named
from hinet_search.records import EvaluationRecord
from hinet_search.training import together
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.config import TrainConfig
from hinet_search.training.course import Conditions, FitResult
from hinet_search.training.divergence import Diverged
from hinet_search.training.predict import weights_hash
from hinet_search.training.seeding import seeded_model
from hinet_search.training.stacked import fit_stacked
from hinet_search.training.together import fit_together
from tests.training.datasets import separable
from tests.training.fake_models import CPU, Watch

DATA = separable(train_rows=330)  # 11 steps a pass, the last of 10 rows
SEEDS = (3, 4, 5)
Found = list[FitResult | Diverged]


def conditions(data=DATA, **train: object) -> list[Conditions]:
    given = {"batch_size": 32, "patience": 0, "passes": 2.5, "evaluations_per_pass": 2, "learning_rate": 0.01, **train}
    config = TrainConfig.model_validate(given)
    return [Conditions(data, data.full_schema, config, seed, 3, objective_named("macro_auc"), CPU) for seed in SEEDS]


def built(name: str, *, lost: int | None = None, unlike: int = 0) -> list[nn.Module]:
    """A model per seed, with dropout as it comes; `lost` is one whose loss is no number."""
    models = [seeded_model(lambda: Case(name).build(DATA.full_schema), seed + unlike) for seed in SEEDS]
    if lost is not None:
        next(models[lost].parameters()).data.fill_(torch.nan)
    return models


def without_seconds(records: list[EvaluationRecord] | tuple[EvaluationRecord, ...]) -> list[EvaluationRecord]:
    return [replace(record, seconds=0.0) for record in records]


def check(name: str, given: list[Conditions], folder: Path, stops: tuple[int, ...], lost: int | None = None) -> Found:
    """Stopped before each of these steps, and each time taken up by a process that knows nothing but the folder."""
    whole, watched = built(name, lost=lost), [Watch() for _ in SEEDS]
    expected = fit_stacked(whole, given, watched)
    before = 0
    for stop in (*stops, None):
        models = built(name, unlike=90) if before else built(name, lost=lost)
        watches = [Watch(stop_after=None if stop is None else stop - before), Watch(), Watch()]
        found = fit_stacked(models, given, watches, Checkpoints(folder, "job"))
        stopped = [one.stopped for one in found if isinstance(one, FitResult)]
        assert stopped == [stop is not None] * len(stopped)
        before = stop or 0
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        if number == lost:
            assert str(one) == str(other)
            continue
        assert weights_hash(models[number]) == weights_hash(whole[number])
        assert without_seconds(one.evaluations) == without_seconds(other.evaluations)
        assert without_seconds(watches[number].records) == without_seconds(watched[number].records)
        assert (one.best_step, one.valid_cells) == (other.best_step, other.valid_cells)
    return found


@pytest.mark.parametrize("stops", [(1,), (7, 16), (11,), (12,), (27,)], ids=str)
@pytest.mark.parametrize("name", ["hinet", "mmoe"])
def test_a_stack_goes_on_from_any_step_of_any_pass(name: str, stops: tuple[int, ...], tmp_path: Path) -> None:
    check(name, conditions(clip_norm=0.1), tmp_path, stops)


def test_a_model_that_diverged_before_a_stop_has_diverged_after_it(tmp_path: Path) -> None:
    found = check("mmoe", conditions(), tmp_path, (7,), lost=1)
    assert isinstance(found[1], Diverged)
    assert found[1].step == 1


@pytest.mark.parametrize("stop", [12, 18, 24])
def test_each_model_counts_its_own_patience_on_over_a_stop(stop: int, tmp_path: Path) -> None:
    noise = separable(train_rows=330)
    noise = replace(noise, train=replace(noise.train, labels_RT=noise.train.labels_RT[::-1].copy()))
    found = check("mmoe", conditions(noise, patience=2, passes=9.0), tmp_path, (stop,))
    ended = [len(one.evaluations) for one in found]
    assert len(set(ended)) > 1
    assert max(ended) < 18


@pytest.mark.parametrize("worth", [1e9, 0.0], ids=["stacked", "alone"])
def test_what_began_stacked_or_alone_goes_on_so_whatever_a_probe_would_say(
    worth: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(stop_after: int | None) -> tuple[list[nn.Module], Found]:
        models, watches = built("mmoe"), [Watch(stop_after=stop_after) for _ in SEEDS]
        kept = [Checkpoints(tmp_path / str(seed), f"job {seed}") for seed in SEEDS]
        return models, fit_together(models, conditions(), watches, kept)

    monkeypatch.setattr(together, "WORTH", worth)
    whole = built("mmoe")
    fit_together(whole, conditions(), [Watch() for _ in SEEDS])
    assert all(one.stopped for one in run(7)[1])
    monkeypatch.setattr(together, "stacking_pays", lambda *_: pytest.fail("a probe of what has begun"))
    models, found = run(None)
    assert not any(one.stopped for one in found)
    assert [weights_hash(model) for model in models] == [weights_hash(model) for model in whole]
