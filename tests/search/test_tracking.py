"""Tracking: a tracker gets every run of a study, and none that fails, hangs or is away disturbs a launch."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hinet_search.results.study_record import StudyRecord
from hinet_search.search.tracking.mirror import Mirror, following
from hinet_search.search.tracking.runs import MOST_CELLS, runs_of
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.trackers import RunPath, RunRefused, TrackedRun, Tracker, mlflow
from tests.report.amounts import SHAPE as AMOUNTS
from tests.report.amounts import with_amounts
from tests.report.studies import Shape, failed_only, small, study
from tests.search.pretended import Listener, Studio
from tests.waiting import wait_until

KEY = "tracking: mlflow\n"


@dataclass
class FakeTracker:
    """A tracker in memory. `before` is called before each write, and may raise or block."""

    place: str = "memory"
    earlier: Mapping[RunPath, str] = field(default_factory=dict)
    before: Callable[[TrackedRun], object] = lambda run: None
    written: list[TrackedRun] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def digests(self) -> Mapping[RunPath, str]:
        return self.earlier

    def write(self, run: TrackedRun) -> None:
        self.before(run)
        self.written.append(run)

    def attach(self, path: RunPath, name: str, text: str) -> None:
        self.files[name] = text

    def paths(self) -> list[RunPath]:
        return [run.path for run in self.written]


def mirror(tracker: Callable[[], Tracker], *records: StudyRecord, pause: float = 0.01) -> Mirror:
    """A mirror that reads these records, one a round, and then nothing new."""
    coming = list(records)

    def read(_always: object) -> StudyRecord | None:
        return coming.pop(0) if coming else None

    return Mirror("fake", lambda _: tracker(), read, lambda _: {"report.html": "<p>"}, pause)


def mirrored(record: StudyRecord, **changes: object) -> tuple[FakeTracker, list[str]]:
    """The tracker that a mirror has written, and what the mirror says at its end."""
    tracker = FakeTracker(**changes)  # type: ignore[arg-type]  # names and types are the caller's
    return tracker, mirror(lambda: tracker, record).finish(10)


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What a tracker that hangs waits for."""
    answer = threading.Event()
    yield answer
    answer.set()


def run_of(record: StudyRecord, kind: str, **fields: object) -> TrackedRun:
    """The first run of that kind."""
    return next(
        run
        for run in runs_of(record)
        if run.tags["kind"] == kind
        and all(getattr(run, name) == value for name, value in fields.items())
    )


def test_every_run_comes_after_the_one_that_it_is_nested_in() -> None:
    seen: set[RunPath] = {()}
    for run in runs_of(small()):
        assert run.path[:-1] in seen
        assert run.path not in seen, "its name is its own"
        seen.add(run.path)


def test_trials_and_seeds_of_finalists_are_in_their_arm() -> None:
    record = small()
    paths = [run.path for run in runs_of(record)]
    for arm in record.arms:
        in_arm = [path[2] for path in paths if path[:2] == ("shop", arm.name) and len(path) == 3]
        trials = [f"{arm.name}/{trial.number}" for trial in arm.trials]
        seeds = [
            f"{arm.name}/{finalist.trial_number} seed {run.seed}"
            for finalist in arm.finalists
            for run in finalist.runs
        ]
        assert in_arm == [*trials, *seeds]


def test_a_trial_has_its_parameters_metrics_by_step_value_and_cost() -> None:
    record = small()
    (arm, *_) = record.arms
    trial = next(trial for trial in arm.trials if trial.state == "complete" and trial.evaluations)
    run = run_of(record, "trial", path=("shop", arm.name, f"{arm.name}/{trial.number}"))
    assert run.parameters == trial.parameters
    assert [(point.step, point.metrics["valid/mean_auc"]) for point in run.points] == [
        (evaluation.step, evaluation.objective) for evaluation in trial.evaluations
    ]
    assert trial.cost is not None
    assert run.totals["best mean_auc"] == trial.value
    assert run.totals["cost/flops_per_row"] == trial.cost.flops_per_row
    assert "cost/milliseconds_per_100_rows" not in run.totals, "it is measured for finalists only"


def test_what_runs_says_when_its_totals_were_read_and_is_the_same_run_without_news() -> None:
    running = replace(small(), state="running", updated="2026-11-14T11:30:00+00:00")
    later = replace(running, updated="2026-11-14T11:40:00+00:00")
    for kind in ("study", "arm", "trial"):
        before, after = run_of(running, kind), run_of(later, kind)
        assert (before.updated, after.updated) == (running.updated, later.updated)
        assert before.digest == after.digest


def test_a_failed_trial_has_its_cause() -> None:
    run = run_of(failed_only(), "trial")
    assert (run.state, run.tags["cause"].split("\n")[0]) == (
        "failed",
        "out of memory at batch 8192",
    )


def test_a_seed_of_a_finalist_has_the_auc_of_each_cell() -> None:
    totals = next(
        run.totals for run in runs_of(small()) if run.tags.get("chosen") == "true"
    )  # the others are not opened on test
    assert {name for name in totals if "auc/" in name} == {
        f"{split}/auc/{scenario}/click"
        for split in ("valid", "test")
        for scenario in ("Home", "Push")
    }


def test_a_seed_of_a_finalist_has_the_errors_of_each_cell_of_amounts() -> None:
    record = with_amounts(study(AMOUNTS))
    totals = next(run.totals for run in runs_of(record) if run.tags.get("chosen") == "true")
    assert {name: value for name, value in totals.items() if "rmse/" in name} == {
        f"{split}/rmse/{scenario}/watch": 61.25
        for split in ("valid", "test")
        for scenario in ("Home", "Push")
    }
    assert totals["test/mae/Push/watch"] == 28.75


def test_cells_are_left_out_where_they_are_many() -> None:
    scenarios = tuple(f"s{number}" for number in range(MOST_CELLS + 1))
    totals = run_of(
        study(Shape(("hinet",), scenarios, ("click",), trials=2, seeds=1)), "finalist"
    ).totals
    assert not any("auc/" in name for name in totals)


def test_a_trial_that_a_stopped_study_has_left_is_interrupted() -> None:
    (arm, *others) = small().arms
    left = replace(arm, trials=(replace(arm.trials[0], state="running"), *arm.trials[1:]))
    stopped = replace(small(), arms=(left, *others), state="stopped")
    assert run_of(stopped, "trial").state == "interrupted"
    assert run_of(replace(stopped, state="running"), "trial").state == "running"


def test_a_mirror_writes_every_run_and_the_files_of_a_study_that_is_done() -> None:
    tracker, said = mirrored(small())
    assert tracker.written == list(runs_of(small()))
    assert tracker.files == {"report.html": "<p>"}
    assert said == [f"{len(tracker.written)} runs in memory"]


def test_a_study_that_is_not_done_has_no_files() -> None:
    tracker, _ = mirrored(replace(small(), state="stopped"))
    assert tracker.written
    assert not tracker.files


def test_only_runs_that_have_changed_are_written_again() -> None:
    tracker = FakeTracker()
    running = replace(small(), state="running")
    follower = mirror(lambda: tracker, running, replace(running, description="other words"))
    follower.start()
    num_runs = len(list(runs_of(running)))
    wait_until(lambda: len(tracker.written) > num_runs)
    follower.finish(10)
    assert tracker.paths()[num_runs:] == [("shop",)]


def test_a_round_without_news_looks_at_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    looked_at: list[StudyRecord] = []

    def read(_always: object) -> StudyRecord | None:
        rounds.append(1)
        return small() if len(rounds) == 1 else None

    def looking(record: StudyRecord) -> Iterator[TrackedRun]:
        looked_at.append(record)
        return runs_of(record)

    monkeypatch.setattr("hinet_search.search.tracking.mirror.runs_of", looking)
    follower = Mirror("fake", lambda _: FakeTracker(), read, lambda _: {}, 0.01)
    follower.start()
    wait_until(lambda: len(rounds) > 3)
    follower.finish(10)
    assert len(looked_at) == 1


def test_what_an_earlier_launch_has_written_is_not_written_again() -> None:
    runs = list(runs_of(small()))
    digests = {run.path: run.digest for run in runs}
    del digests[runs[3].path]
    tracker, _ = mirrored(small(), earlier=digests)
    assert tracker.paths() == [runs[3].path]


def test_a_tracker_that_is_away_is_reported_once_and_gets_every_run_when_it_is_back() -> None:
    tracker, attempts = FakeTracker(), []

    def connect() -> Tracker:
        attempts.append(1)
        if len(attempts) <= 3:
            raise ConnectionError("http://ann:s3cret@server refused")
        return tracker

    follower = mirror(connect, small())
    follower.start()
    wait_until(lambda: len(tracker.written) == len(list(runs_of(small()))))
    assert [*follower.notes(), *follower.finish(10)] == [
        "fake is not usable: http://ann:***@server refused; the study goes on, and tracking tries again",
        "fake is usable again",
        f"{len(tracker.written)} runs in memory",
    ]


def test_a_tracker_that_stays_away_is_said_to_lack_the_runs() -> None:
    def connect() -> Tracker:
        raise ConnectionError("refused")

    (outcome,) = mirror(connect, small()).finish(10)
    num_runs = len(list(runs_of(small())))
    assert outcome == (
        f"fake lacks {num_runs} runs: refused; the next launch of the study adds them"
    )


def test_files_that_a_tracker_does_not_take_are_said_to_lack() -> None:
    class WithoutFiles(FakeTracker):
        def attach(self, path: RunPath, name: str, text: str) -> None:
            raise ConnectionError("no room")

    assert mirror(WithoutFiles, small()).finish(10) == [
        "fake lacks the last files: no room; the next launch of the study adds them"
    ]


def test_a_write_that_fails_leaves_the_runs_before_it() -> None:
    runs = list(runs_of(small()))
    failures = [ConnectionError("reset")]

    def fail_once(run: TrackedRun) -> None:
        if run.path == runs[5].path and failures:
            raise failures.pop()

    tracker = FakeTracker(before=fail_once)
    follower = mirror(lambda: tracker, small())
    follower.start()
    wait_until(lambda: len(tracker.written) == len(runs))
    follower.finish(10)
    assert tracker.written == runs


def test_a_tracker_that_hangs_is_left_after_the_time_given(hung: threading.Event) -> None:
    tracker = FakeTracker(before=lambda run: hung.wait() if len(run.path) == 3 else None)
    follower = mirror(lambda: tracker, small())
    (outcome,) = follower.finish(0.2)
    missing = len(list(runs_of(small()))) - 2
    assert outcome == (
        f"fake lacks {missing} runs: it does not answer; the next launch of the study adds them"
    )
    hung.set()
    follower.finish(10)
    assert len(tracker.written) == 3, "it writes nothing after it was left"


def test_a_tracker_that_is_slow_is_waited_for_while_it_answers() -> None:
    pause = threading.Event()
    tracker = FakeTracker(before=lambda _: pause.wait(0.02))
    said = mirror(lambda: tracker, small()).finish(0.2)
    assert said == [f"{len(tracker.written)} runs in memory"]
    assert len(tracker.written) == len(list(runs_of(small())))


def test_a_run_that_is_refused_is_counted_and_the_others_are_written() -> None:
    def refuse(run: TrackedRun) -> None:
        if run.state == "pruned":
            raise RunRefused("name too long")

    tracker, said = mirrored(small(), before=refuse)
    runs = list(runs_of(small()))
    kept = [run for run in runs if run.state != "pruned"]
    assert tracker.written == kept
    assert said == [
        f"{len(kept)} runs in memory; it refused {len(runs) - len(kept)} runs: name too long"
    ]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.chdir(tmp_path)
    return Studio(tmp_path, monkeypatch)


def tracked_launch(studio: Studio, tracker: Tracker) -> tuple[StudyRecord, list[str]]:
    """Enlarge a study of two trials, tracked; return its record and what tracking says."""
    studio.launch(more=KEY, trials=2)
    studio.patch.setattr(mlflow, "connect", lambda *_: tracker)
    options, ears = LaunchOptions(output=studio.folder / "out"), Listener()
    loaded, url = options.load(str(studio.folder / "s.yaml")), options.storage_url()
    with following(loaded, url, ears, lambda _: {}) as watcher:
        record, _ = studio.launch(more=KEY, trials=3, watcher=watcher)
    return record, ears.said("tracking")


def test_a_launch_writes_its_last_state_and_what_earlier_launches_have_not(studio: Studio) -> None:
    tracker = FakeTracker()
    record, heard = tracked_launch(studio, tracker)
    last = {run.path: run for run in tracker.written}
    written = {path: run.digest for path, run in last.items()}
    assert written == {run.path: run.digest for run in runs_of(record)}
    assert last[("s",)].tags["verdict"] == record.verdict
    assert heard == [f"{len(last)} runs in memory"]


def test_a_launch_ends_although_its_tracker_hangs(
    studio: Studio, hung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinet_search.search.tracking.mirror.PATIENCE_AT_THE_END", 0.2)
    record, heard = tracked_launch(studio, FakeTracker(before=lambda _: hung.wait()))
    assert record.state == "done"
    assert heard[-1].endswith("it does not answer; the next launch of the study adds them")


def test_a_launch_that_is_refused_writes_nothing(studio: Studio) -> None:
    tracker = FakeTracker()
    studio.launch(more=KEY, trials=2)
    studio.patch.setattr(mlflow, "connect", lambda *_: tracker)
    options = LaunchOptions(output=studio.folder / "out")
    loaded = options.load(str(studio.folder / "s.yaml"))

    def refused() -> None:
        with following(loaded, options.storage_url(), Listener(), lambda _: {}):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refused()
    assert not tracker.written


def test_a_study_without_the_key_has_the_watcher_as_it_is(studio: Studio) -> None:
    studio.launch(trials=2)
    options, ears = LaunchOptions(output=studio.folder / "out"), Listener()
    loaded = options.load(str(studio.folder / "s.yaml"))
    with following(loaded, options.storage_url(), ears, lambda _: {}) as watcher:
        assert watcher is ears
