"""Several processes train a model as one does: the same steps, weights and decisions."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hinet_search
from hinet_search import api
from hinet_search.cli import plan_text
from hinet_search.common.errors import EnvironmentFault
from hinet_search.study import launch_options
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.divergence import Diverged
from hinet_search.training.jobs.messages import TrainingResult, TrainJob
from hinet_search.training.jobs.partners import team_of
from hinet_search.training.jobs.parts_of_work import PartnerLost
from hinet_search.training.jobs.train import train
from hinet_search.training.trial_config import build_config
from tests.executors.driving import bodies, run
from tests.small import STUDY, write_study
from tests.training import teams_of_models as teams
from tests.training.fake_models import CPU
from tests.training.killed_teams import PARTNER, SLOT, executor, job_of, weights_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def _partners_find_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        yield


@pytest.fixture(scope="module")
def alone() -> dict[str, teams.Trained]:
    return teams.every_training(None)


@pytest.fixture(scope="module")
def by_two() -> dict[str, teams.Trained]:
    with team_of(2, CPU, teams.every_training, pytest.fail) as team:
        return teams.every_training(team)


CASES = [*teams.NETWORKS, *teams.FURTHER, "mmoe, its best"]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(case, alone, by_two):
    weights, _ = alone[case]
    of_two, _ = by_two[case]
    for name, expected in weights.items():
        torch.testing.assert_close(of_two[name], expected, rtol=1e-6, atol=1e-6, msg=name)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_measure_what_one_measures(case, alone, by_two):
    for expected, got in zip(alone[case][1], by_two[case][1], strict=True):
        assert got.objective == pytest.approx(expected.objective, abs=1e-6)
        assert got.train_loss == pytest.approx(expected.train_loss, abs=1e-6)


def test_a_stopped_team_resumes_where_it_stopped_with_the_dropout_of_each_process(tmp_path):
    def of_team(step: int | None, folder: Path) -> teams.Trained:
        work = partial(teams.stopped_before, step, folder)
        with team_of(2, CPU, work, pytest.fail) as team:
            return work(team)

    expected_weights, expected = of_team(None, tmp_path / "whole")
    of_team(7, tmp_path / "stopped")
    weights, evaluations = of_team(None, tmp_path / "stopped")
    assert all(torch.equal(weights[name], expected_weights[name]) for name in weights)
    assert evaluations == expected


def test_a_team_that_diverges_does_so_in_every_process():
    work = teams.with_an_infinite_number
    with pytest.raises(Diverged), team_of(2, CPU, work, pytest.fail) as team:
        work(team)


def test_a_lost_partner_ends_the_training_of_the_others():
    with (
        pytest.raises(PartnerLost, match="-9"),
        team_of(2, CPU, teams.without_partner, pytest.fail) as team,
    ):
        teams.without_partner(team)


def test_weights_that_are_no_longer_alike_are_noticed():
    with (
        pytest.raises(RuntimeError, match="must be the same"),
        team_of(2, CPU, teams.with_other_weights, pytest.fail) as team,
    ):
        teams.with_other_weights(team)


@pytest.mark.parametrize(("which", "seconds"), [(PARTNER, 0.5), (SLOT, None), (PARTNER, None)])
def test_a_training_whose_process_is_killed_ends_with_the_same_weights(
    which, seconds, job, unharmed, tmp_path
):
    weights = weights_of(job, tmp_path, ((which, seconds),))
    assert all(torch.equal(weights[name], unharmed[name]) for name in unharmed)


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> TrainJob:
    return job_of(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def unharmed(job, tmp_path_factory) -> dict[str, Tensor]:
    return weights_of(job, tmp_path_factory.mktemp("unharmed"))


def test_a_model_that_grows_is_trained_by_one_process(job, tmp_path):
    trees = replace(job, config=build_config("trees", {"model.max_rounds": 5}))
    with executor() as slots:
        heard = run(slots, train, trees)
    assert any(isinstance(body, TrainingResult) for body in bodies(heard))


def test_a_study_trains_and_refits_with_several_workers(tmp_path):
    text = STUDY.replace("trials: 3", "trials: 1").replace("slots: 2", "slots: 1\nworkers: 2")
    text = text.replace("seeds: 2}", "seeds: 1, refit: true}").replace("mmoe: }", "}")
    record = hinet_search.launch(str(write_study(tmp_path, text)), output=tmp_path / "out")
    (run_of_finalist,) = record.arms[0].finalists[0].runs
    assert run_of_finalist.valid_objective > 0.5
    assert next(iter(tmp_path.rglob("*.refit.safetensors")))


def test_as_many_slots_run_as_have_a_core_for_every_worker(monkeypatch, tmp_path):
    monkeypatch.setattr(launch_options, "num_cores", lambda: 6)
    text = STUDY.replace("slots: 2\n", "workers: 2\n")
    assert api.ready(str(write_study(tmp_path, text)), LaunchOptions(output=tmp_path)).slots == 3


def test_too_few_gpus_for_the_workers_are_told(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with (
        pytest.raises(EnvironmentFault, match="2 processes need 2 GPUs in each slot, it has 1"),
        team_of(2, torch.device("cuda"), print, pytest.fail),
    ):
        pass


def test_the_plan_says_how_many_workers_a_slot_has(tmp_path):
    text = STUDY.replace("slots: 2", "slots: 1\nworkers: 2")
    ready = api.ready(str(write_study(tmp_path, text)), LaunchOptions(output=tmp_path))
    assert plan_text._slots(ready) == "1 slot of 2 workers on cpu"
