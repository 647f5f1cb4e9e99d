"""The live block says what every slot is busy with."""

from hinet_search.cli._live import block
from hinet_search.search.progress import JobProgress, Progress


def line_of(job: JobProgress) -> str:
    drawn = block(Progress("shop", 1, "cpu", 4.0, {}, running={job.key: job}), width=100)
    return next(line for line in drawn.splitlines() if job.key in line)


def test_a_training_has_its_passes_and_its_last_value() -> None:
    assert line_of(JobProgress("hinet/3", 1.5, [0.6, 0.7])).split() == ["0", "hinet/3", "1.50/4", ".7000", "▁█"]


def test_a_job_that_trains_nothing_has_no_passes() -> None:
    assert line_of(JobProgress("hinet/3", passes=None)).split() == ["0", "hinet/3"]
