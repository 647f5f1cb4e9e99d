"""The search phase decides with each message and each end what becomes of a trial."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.objective import Objective
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.progress import ArmProgress, Progress, Silent
from hinet_search.search.room import Room
from hinet_search.search.trials import TrialPhase
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from hinet_search.trial import Trained, TrainingFailed
from tests.search import studies

PRUNES = {"kind": "median", "after_passes": 0.25, "startup_trials": 1}
GOOD, BAD = 0.8, 0.6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    database, store = studies.store(tmp_path)
    yield store
    database.close()


@pytest.fixture
def phase(tmp_path: Path, store: StudyStore) -> TrialPhase:
    """A phase of four trials of which trial 0 is done and good."""
    spec = studies.spec(trials=4, pruner=PRUNES)
    search = ArmSearch(studies.arm(tmp_path), spec, Objective("mean_auc"), store, studies.Admission())
    progress = Progress("tiny", 1, "cpu", 4.0, {"hinet": ArmProgress("hinet", 4)})
    room = Room(spec, store, tmp_path, "none", tmp_path / "artifacts", progress, Silent())
    made = TrialPhase([search], room, seconds_before=0.0)
    begin(made)
    made.hear("hinet/0", studies.evaluation(1, GOOD), never)
    made.hear("hinet/0", studies.evaluation(2, GOOD), never)
    made.hear("hinet/0", trained(GOOD), never)
    made.end("hinet/0", "", stopping=False)
    return made


def begin(phase: TrialPhase) -> str:
    job = phase.next_job()
    assert job is not None
    return job.key


def never() -> None:
    raise AssertionError("nothing is to be stopped here")


def trained(value: float, *, stopped: bool = False) -> Trained:
    return Trained(studies.evaluation(1, value), stopped, studies.COST)


def pruned(phase: TrialPhase) -> str:
    """A trial that was asked to stop because it is bad."""
    key, asked = begin(phase), []
    phase.hear(key, studies.evaluation(1, BAD), lambda: asked.append(key))
    assert asked == [key]
    return key


def states(store: StudyStore) -> list[str]:
    return [trial.state for trial in load_record(store.database, "tiny").arms[0].trials]


def test_a_trial_that_stopped_when_it_was_pruned_is_pruned(phase: TrialPhase, store: StudyStore) -> None:
    key = pruned(phase)
    phase.hear(key, trained(BAD, stopped=True), never)
    phase.end(key, "", stopping=False)
    assert states(store) == ["complete", "pruned"]


def test_a_trial_that_was_pruned_before_a_signal_came_is_pruned(phase: TrialPhase, store: StudyStore) -> None:
    key = pruned(phase)
    phase.hear(key, trained(BAD, stopped=True), never)
    phase.end(key, "", stopping=True)
    assert states(store) == ["complete", "pruned"]


def test_a_trial_that_a_signal_stopped_is_left_running(phase: TrialPhase, store: StudyStore) -> None:
    key = begin(phase)
    phase.hear(key, trained(GOOD, stopped=True), never)
    phase.end(key, "", stopping=True)
    assert states(store) == ["complete", "running"]


def test_a_trial_that_ended_while_a_signal_came_is_complete(phase: TrialPhase, store: StudyStore) -> None:
    key = begin(phase)
    phase.hear(key, trained(GOOD), never)
    phase.end(key, "", stopping=True)
    assert states(store) == ["complete", "complete"]


def test_a_pruned_trial_whose_process_died_is_pruned_anew_in_its_next_attempt(
    phase: TrialPhase, store: StudyStore
) -> None:
    key, asked = pruned(phase), []
    phase.retry(key, 2, "its process died")
    phase.hear(key, studies.evaluation(1, BAD), lambda: asked.append(1))
    phase.hear(key, studies.evaluation(2, BAD), lambda: asked.append(2))
    assert asked == [2]


@pytest.mark.parametrize("stopping", [False, True])
def test_a_result_counts_though_its_process_died_right_after_it(
    phase: TrialPhase, store: StudyStore, *, stopping: bool
) -> None:
    key = begin(phase)
    phase.hear(key, trained(GOOD), never)
    phase.end(key, "its process died (signal SIGTERM)", stopping=stopping)
    assert states(store) == ["complete", "complete"]


def test_what_an_attempt_said_before_it_died_is_not_the_outcome_of_the_next_one(
    phase: TrialPhase, store: StudyStore
) -> None:
    key = begin(phase)
    phase.hear(key, trained(GOOD), never)
    phase.retry(key, 2, "its process died")
    phase.end(key, "stopped before its next attempt", stopping=True)
    assert states(store) == ["complete", "running"]


def test_a_training_that_failed_leaves_its_cause(phase: TrialPhase, store: StudyStore) -> None:
    key = begin(phase)
    phase.hear(key, TrainingFailed("diverged: step 3"), never)
    phase.end(key, "", stopping=False)
    trial = load_record(store.database, "tiny").arms[0].trials[1]
    assert (trial.state, trial.cause) == ("failed", "diverged: step 3")


def test_checkpoints_go_with_their_trial_and_stay_when_a_signal_stops_it(phase: TrialPhase, tmp_path: Path) -> None:
    kept = tmp_path / "artifacts" / "checkpoints"
    keys = [begin(phase), begin(phase)]
    for key in keys:
        (kept / key).mkdir(parents=True)
        phase.hear(key, studies.evaluation(1, GOOD), never)
    phase.hear(keys[0], trained(GOOD), never)
    phase.end(keys[0], "", stopping=True)
    phase.hear(keys[1], trained(GOOD, stopped=True), never)
    phase.end(keys[1], "", stopping=True)
    assert [path.name for path in (kept / "hinet").iterdir()] == [keys[1].split("/")[1]]
