"""An arm whose trials fail one after another ends alone; the working arms reach their finalists and the test split."""

from collections.abc import Callable

import pytest

from hinet_search.common.errors import AllTrialsFailed
from hinet_search.executors import Job
from hinet_search.results.study_record import StudyRecord
from tests.search.pretended import Listener, Pretender, Studio, chosen

TWO = "{mmoe: {space: rate}, shared_bottom: {space: rate}}"
SIZED = "{hinet: {space: rate}, flat_moe: {space: rate, size_of: hinet}, other: {space: rate, model: flat_moe, size_of: hinet}}"


def failing(*arms: str, first: int = 0) -> Callable[[Job], str]:
    """Make trials of these arms fail for one cause, from that number on."""

    def cause(job: Job) -> str:
        arm, _, number = job.key.partition("/")
        return (
            "RuntimeError: no" if arm in arms and number.isdigit() and int(number) >= first else ""
        )

    return cause


def states(record: StudyRecord, arm: str) -> list[str]:
    (named,) = [each for each in record.arms if each.name == arm]
    return [trial.state for trial in named.trials]


def test_an_arm_that_fails_five_times_ends_and_the_other_one_continues(studio: Studio) -> None:
    heard = Listener()
    record, _ = studio.launch(
        Pretender(failing=failing("mmoe")),
        arms=TWO,
        more="reference: mmoe\n",
        trials=9,
        watcher=heard,
    )
    assert states(record, "mmoe") == ["failed"] * 5
    assert states(record, "shared_bottom") == ["complete"] * 9
    assert heard.said("short") == [
        "mmoe ends with 5 of 9 trials: its last 5 failed with one cause: RuntimeError: no"
    ]


def test_sized_arms_that_fail_leave_the_others_their_test(studio: Studio) -> None:
    """They come last, when the others have finalists that were not scored on test yet."""
    pretender = Pretender(failing=failing("flat_moe", "other"))
    record, _ = studio.launch(pretender, arms=SIZED, more="reference: hinet\n", trials=9)
    assert states(record, "flat_moe") == states(record, "other") == ["failed"] * 5
    assert (list(chosen(record)), record.state, len(pretender.tested)) == (["hinet"], "done", 2)


def test_an_arm_that_fails_after_good_trials_keeps_its_finalists(studio: Studio) -> None:
    record, _ = studio.launch(
        Pretender(failing=failing("mmoe", first=2)), arms=TWO, more="reference: mmoe\n", trials=12
    )
    assert states(record, "mmoe") == ["complete"] * 2 + ["failed"] * 5
    assert sorted(chosen(record)) == ["mmoe", "shared_bottom"]


def test_a_good_trial_between_failures_keeps_an_arm(studio: Studio) -> None:
    def every_third_works(job: Job) -> str:
        arm, _, number = job.key.partition("/")
        fails = arm == "mmoe" and number.isdigit() and int(number) % 3
        return "RuntimeError: no" if fails else ""

    record, _ = studio.launch(
        Pretender(failing=every_third_works), arms=TWO, more="reference: mmoe\n", trials=12
    )
    assert states(record, "mmoe") == ["complete", "failed", "failed"] * 4


def test_the_next_launch_resumes_an_arm_that_failed(studio: Studio) -> None:
    studio.launch(Pretender(failing=failing("mmoe")), arms=TWO, more="reference: mmoe\n", trials=9)
    record, _ = studio.launch(arms=TWO, more="reference: mmoe\n", trials=9)
    assert states(record, "mmoe") == ["failed"] * 5 + ["complete"] * 4
    assert sorted(chosen(record)) == ["mmoe", "shared_bottom"]


def test_a_study_of_which_every_arm_begins_to_fail_stops(studio: Studio) -> None:
    with pytest.raises(
        AllTrialsFailed, match="5 trials in a row failed with one cause: RuntimeError: no"
    ):
        studio.launch(
            Pretender(failing=failing("mmoe", "shared_bottom", first=2)),
            arms=TWO,
            more="reference: mmoe\n",
            trials=12,
        )
