"""The search phase decides at each message and at each end what happens to a trial."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.common.errors import AllTrialsFailed
from hinet_search.results.objectives import Objective
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.phases.trials import TrialPhase
from hinet_search.search.progress import ArmProgress, NullWatcher, Progress
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from hinet_search.study.study_spec import StudySpec
from hinet_search.training.jobs.messages import TrainingFailed, TrainingResult
from tests.search import studies

PRUNES = {"kind": "median", "after_epochs": 0.25, "startup_trials": 1}
GOOD, BAD = 0.8, 0.6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    database, store = studies.store(tmp_path)
    yield store
    database.close()


def phase_of(folder: Path, store: StudyStore, spec: StudySpec) -> TrialPhase:
    search = ArmSearch(
        studies.arm(folder), spec, Objectives(Objective("mean_auc")), store, studies.admits
    )
    progress = Progress("tiny", 1, "cpu", 4.0, {"hinet": ArmProgress("hinet", spec.trials)})
    context = PhaseContext(
        spec, store, folder, "none", folder / "artifacts", progress, NullWatcher()
    )
    return TrialPhase([search], context)


@pytest.fixture
def phase(tmp_path: Path, store: StudyStore) -> TrialPhase:
    """A phase of four trials of which trial 0 is done and good."""
    made = phase_of(tmp_path, store, studies.spec(trials=4, pruner=PRUNES))
    begin(made)
    made.handle_message("hinet/0", studies.evaluation(1, GOOD), never)
    made.handle_message("hinet/0", studies.evaluation(2, GOOD), never)
    made.handle_message("hinet/0", trained(GOOD), never)
    made.end("hinet/0", "", stopping=False)
    return made


@pytest.fixture
def roomy(tmp_path: Path, store: StudyStore) -> TrialPhase:
    """A phase with room for many trials."""
    return phase_of(tmp_path, store, studies.spec(trials=20))


def begin(phase: TrialPhase) -> str:
    job = phase.next_job()
    assert job is not None
    return job.key


def never() -> None:
    raise AssertionError("nothing is to be stopped here")


def trained(value: float, *, stopped: bool = False) -> TrainingResult:
    return TrainingResult(studies.evaluation(1, value), stopped, studies.COST)


def pruned(phase: TrialPhase) -> str:
    """A trial that was asked to stop because it is bad."""
    key, asked = begin(phase), []
    phase.handle_message(key, studies.evaluation(1, BAD), lambda: asked.append(key))
    assert asked == [key]
    return key


def states(store: StudyStore) -> list[str]:
    return [trial.state for trial in load_record(store.database, "tiny").arms[0].trials]


DIED = "its process died (signal SIGTERM)"


@pytest.mark.parametrize(
    ("is_pruned", "stopped", "stopping", "cause", "state"),
    [
        pytest.param(True, True, False, "", "pruned", id="it stopped when it was pruned"),
        pytest.param(True, True, True, "", "pruned", id="it was pruned before a signal came"),
        pytest.param(False, True, True, "", "running", id="a signal stopped it"),
        pytest.param(False, False, True, "", "complete", id="it ended while a signal came"),
        pytest.param(False, False, False, DIED, "complete", id="it died after its result"),
        pytest.param(False, False, True, DIED, "complete", id="and while a signal came"),
    ],
)
def test_a_trial_ends_as_what_it_sent_and_what_was_asked_of_it_say(
    phase: TrialPhase,
    store: StudyStore,
    *,
    is_pruned: bool,
    stopped: bool,
    stopping: bool,
    cause: str,
    state: str,
) -> None:
    key = pruned(phase) if is_pruned else begin(phase)
    phase.handle_message(key, trained(BAD if is_pruned else GOOD, stopped=stopped), never)
    phase.end(key, cause, stopping=stopping)
    assert states(store) == ["complete", state]


def test_a_pruned_trial_whose_process_died_is_pruned_anew_in_its_next_attempt(
    phase: TrialPhase, store: StudyStore
) -> None:
    key, asked = pruned(phase), []
    phase.retry(key, 2, "its process died")
    phase.handle_message(key, studies.evaluation(1, BAD), lambda: asked.append(1))
    phase.handle_message(key, studies.evaluation(2, BAD), lambda: asked.append(2))
    assert asked == [2]


def test_what_an_attempt_said_before_it_died_is_not_the_outcome_of_the_next_one(
    phase: TrialPhase, store: StudyStore
) -> None:
    key = begin(phase)
    phase.handle_message(key, trained(GOOD), never)
    phase.retry(key, 2, "its process died")
    phase.end(key, "stopped before its next attempt", stopping=True)
    assert states(store) == ["complete", "running"]


def test_a_training_that_failed_leaves_its_cause(phase: TrialPhase, store: StudyStore) -> None:
    key = begin(phase)
    phase.handle_message(key, TrainingFailed("diverged: step 3"), never)
    phase.end(key, "", stopping=False)
    trial = load_record(store.database, "tiny").arms[0].trials[1]
    assert (trial.state, trial.cause) == ("failed", "diverged: step 3")


def test_checkpoints_go_with_their_trial_and_stay_when_a_signal_stops_it(
    phase: TrialPhase, tmp_path: Path
) -> None:
    kept = tmp_path / "artifacts" / "checkpoints"
    keys = [begin(phase), begin(phase)]
    for key in keys:
        (kept / key).mkdir(parents=True)
        phase.handle_message(key, studies.evaluation(1, GOOD), never)
    phase.handle_message(keys[0], trained(GOOD), never)
    phase.end(keys[0], "", stopping=True)
    phase.handle_message(keys[1], trained(GOOD, stopped=True), never)
    phase.end(keys[1], "", stopping=True)
    assert [path.name for path in (kept / "hinet").iterdir()] == [keys[1].split("/")[1]]


def fail_each(phase: TrialPhase, causes: list[str]) -> None:
    """Trials one after the other that end in these ways."""
    for cause in causes:
        phase.end(begin(phase), cause, stopping=False)


@pytest.mark.parametrize(
    "cause",
    [
        "out of memory: batch size {} on cpu (you tried to allocate {}000 bytes); a smaller one needs less",
        "out of memory: batch size 64 on cuda (Tried to allocate {}.00 MiB of 79.{} GiB)",
        "diverged: loss nan at step {}, learning rate {}e-05",
        "ValueError: no room at 0x7f8e{}a65 (train in course.py:{})",
    ],
)
def test_five_failures_that_differ_in_numbers_alone_have_one_cause(
    roomy: TrialPhase, cause: str
) -> None:
    with pytest.raises(AllTrialsFailed, match="5 trials in a row failed with one cause: "):
        fail_each(roomy, [cause.format(number, number * 7) for number in (1, 2, 30, 4000, 5)])


def test_four_failures_of_one_cause_and_one_of_another_do_not_stop_a_study(
    roomy: TrialPhase,
) -> None:
    fail_each(
        roomy, ["diverged: loss nan at step 3"] * 4 + ["diverged: gradient norm nan at step 3"]
    )
