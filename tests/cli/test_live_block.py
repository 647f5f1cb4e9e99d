"""The live block shows the progress of every arm, the job of every slot, and the remaining time."""

import errno
import re
from contextlib import nullcontext

import pytest

from hinet_search.cli.output import Output
from hinet_search.cli.progress import (
    MAX_ARMS,
    LiveBlock,
    TolerantWatcher,
    block,
    sparkline,
    watching,
)
from hinet_search.results.records import EvaluationRecord
from hinet_search.search.progress import (
    ArmProgress,
    Event,
    JobProgress,
    PlainLog,
    Progress,
    say_on_stderr,
    state_line,
)


def progress(**changes: object) -> Progress:
    arms = {
        "hinet": ArmProgress("hinet", 10, 4, 1, 0, 0.7709, 31),
        "ple": ArmProgress("ple", 10, 2, 0, 1, 0.7671, 2),
    }
    return Progress("shop", 2, "cpu", 4.0, **{"arms": arms, **changes})  # type: ignore[arg-type]  # as the test says


def line_of(job: JobProgress) -> str:
    drawn = block(progress(running={job.key: job}), width=100)
    return next(line for line in drawn.splitlines() if job.key in line)


def test_a_training_has_its_slot_its_epochs_its_last_value_its_speed_and_its_memory() -> None:
    job = JobProgress(
        "hinet/3", 1.5, [0.6, 0.7], slot=1, rows_per_second=412_000, memory_bytes=5_476_083_302
    )
    assert line_of(job).split() == [
        "1",
        "hinet/3",
        "1.50/4",
        "0.7000",
        "▁█",
        "412",
        "k",
        "5.48",
        "GB",
    ]


def test_every_column_of_a_slot_stands_below_its_name_within_80_columns() -> None:
    job = JobProgress(
        "hinet/333 seed 10", 1.5, [0.1 * i for i in range(9)], 10, 412_000, 0.0, 2**39
    )
    drawn = block(progress(running={job.key: job}), width=80).splitlines()
    line = next(line for line in drawn if job.key in line)
    head = next(line for line in drawn if "rows/s" in line)
    assert (len(head), len(line)) == (head.index("memory") + len("memory"), len(head))


def test_a_job_that_trains_nothing_has_no_epochs() -> None:
    assert line_of(JobProgress("hinet/3", epochs=None)).split() == ["0", "hinet/3"]


def test_an_arm_has_its_counters_and_none_is_called_the_best_before_its_finalists() -> None:
    hinet, ple = block(progress(), width=100).splitlines()[2:4]
    assert hinet.split() == ["hinet", "0.7709", "31", "━" * 6, "4", "1", "0"]
    assert ple.split() == ["ple", "0.7671", "2", "━━━╸", "2", "0", "1"]


def test_the_line_of_a_log_names_the_best_trial_the_lowest_where_less_is_better() -> None:
    assert state_line(progress()).endswith("best trial hinet/31 0.7709")
    assert state_line(progress(maximize=False)).endswith("best trial ple/2 0.7671")


def test_no_word_is_cut_within_80_columns() -> None:
    arms = {name: ArmProgress(name, 10) for name in ("distilled_shared_bottom", "hinet")}
    job = JobProgress("distilled_shared_bottom/3 without statistics, choice seed 2", 1.5, [0.7] * 9)
    lines = block(progress(arms=arms, running={job.key: job}), width=80).splitlines()
    words = " ".join(lines).split()
    assert max(len(line) for line in lines) < 80
    assert {"distilled_shared_bottom", *job.key.split()} <= set(words)


def test_the_last_lines_say_what_is_done_what_is_left_and_what_was_retried() -> None:
    shown = progress()
    shown.begin("search", 0, 20)
    shown.phase.done, shown.seconds = 5, 100.0
    shown.retry("hinet/12", "out of memory")
    last, how_to_stop = block(shown, width=100).splitlines()[-2:]
    assert last == "search 5 of 20 · 5 m 0 s left · 1 retried (out of memory, hinet/12)"
    assert how_to_stop == "Ctrl-C stops safely, the same command resumes"


def test_no_line_is_wider_than_the_terminal_and_many_arms_are_cut() -> None:
    arms = {f"arm{i}": ArmProgress(f"arm{i}", 10) for i in range(MAX_ARMS + 4)}
    drawn = block(progress(arms=arms), width=80)
    assert max(len(line) for line in drawn.splitlines()) < 80
    assert "...4 more" in drawn


def test_what_is_left_and_was_retried_goes_on_in_the_next_line_with_whole_words() -> None:
    shown = progress()
    shown.retry("hinet/12", "the worker process was killed, probably out of memory on its node")
    drawn = block(shown, width=80)
    assert shown.in_words in " ".join(drawn.splitlines())
    assert max(len(line) for line in drawn.splitlines()) < 80


def test_a_sparkline_has_the_last_values_from_lowest_to_highest() -> None:
    assert sparkline([0.1, 0.2, 0.3]) == "▁▅█"
    assert sparkline([0.5, 0.5]) == "▄▄"
    assert len(sparkline([float(i) for i in range(50)])) == 8


def test_the_speed_is_that_since_the_last_evaluation() -> None:
    job = JobProgress("hinet/3")
    for step, (epochs, seconds) in enumerate(((0.5, 2.0), (1.0, 3.0)), start=1):
        job.on_evaluation(
            EvaluationRecord(step, epochs, 0.7, 0.3, seconds, (), step * 1000), num_rows=1000
        )
    assert (job.rows_per_second, job.epochs, job.values, job.memory_bytes) == (
        500.0,
        1.0,
        [0.7, 0.7],
        2000,
    )


def test_a_job_gets_the_first_free_slot_and_keeps_it_when_it_begins_again() -> None:
    shown = progress()
    for key in ("a", "b"):
        shown.start(key)
    shown.running.pop("a")
    shown.start("c")
    shown.start("b")
    assert {key: job.slot for key, job in shown.running.items()} == {"b": 1, "c": 0}


@pytest.mark.parametrize(
    ("terminal", "environment", "quiet", "live"),
    [
        (True, "", False, True),
        (False, "", False, False),
        (True, "true", False, False),
        (True, "", True, False),
    ],
)
def test_the_block_is_drawn_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch,
    *,
    terminal: bool,
    environment: str,
    quiet: bool,
    live: bool,
) -> None:
    monkeypatch.setenv("CI", environment)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    watcher = watching(Output(quiet=quiet), as_json=False)
    assert isinstance(watcher, LiveBlock) is live


def test_a_terminal_that_draws_nothing_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with watching(Output(), as_json=False) as watcher:
        assert isinstance(watcher, PlainLog)


def test_a_log_has_one_line_an_event_and_the_state_once_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("hinet_search.search.progress.time.monotonic", lambda: now[0])
    log, shown = PlainLog(say_on_stderr), progress()
    shown.begin("search", 0, 20)
    for second in (30.0, 61.0, 90.0, 122.0):
        now[0] = second
        log.tick(shown)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d state    search 0 of 20 · best trial hinet/31 0\.7709", lines[0]
    )


class Failing:
    """A watcher that cannot write."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def event(self, event: Event) -> None:
        raise self._error

    def tick(self, progress: Progress) -> None:
        raise self._error


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.EPIPE, errno.ENOSPC], ids=lambda number: errno.errorcode[number]
)
def test_no_error_of_writing_reaches_the_study(number: int) -> None:
    with TolerantWatcher(nullcontext(Failing(OSError(number, "gone")))) as watcher:
        watcher.event(Event("best", "hinet/0 0.7"))
        watcher.tick(progress())


def test_a_fault_of_the_watcher_is_raised() -> None:
    with TolerantWatcher(nullcontext(Failing(KeyError("arm")))) as watcher, pytest.raises(KeyError):
        watcher.tick(progress())
