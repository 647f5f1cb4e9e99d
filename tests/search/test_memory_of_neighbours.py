"""Whether a trial fails for lack of memory depends on its values, and not on what ran beside it."""

from hinet_search.executors import Job, JobEnd, JobEvent
from hinet_search.search.dispatch import StopFlag, drive
from tests.search.driven import FakeExecutor, FakePhase, Script, attempts, dies, ends, nothing

lacks_memory = ends("out of memory: batch size 512 on cuda:0", died=True)


class Crowded(FakeExecutor):
    """Jobs of `large` run out of memory beside others; `long` runs for three polls, others for one."""

    long = "a/0"

    def __init__(self, large: set[str], fails: Script = lacks_memory, slots: int = 3) -> None:
        super().__init__(self._end, slots)
        self.large = large
        self.fails = fails
        self.polls = 0
        self.beside: dict[tuple[str, int], set[str]] = {}

    def _end(self, job: Job) -> list[JobEvent]:
        others = set(self._coming) - {job.key}
        self.beside[(job.key, job.attempt)] = others
        for key in others:  # that run already have a new neighbour
            self.beside[next(run for run in reversed(self.beside) if run[0] == key)] |= {job.key}
        if job.key == self.long:
            return []
        is_crowded = bool(others) and job.key in self.large
        return self.fails(job) if is_crowded else ends()(job)

    def poll(self, timeout: float) -> list[JobEvent]:
        self.polls += 1
        if self.polls == 3:
            self._coming[self.long] = [JobEnd(self.long, 1, "")]
        return super().poll(timeout)


def driven(executor: FakeExecutor, *keys: str) -> FakePhase:
    phase = FakePhase(*keys)
    drive(executor, phase, StopFlag(), nothing)
    return phase


def test_a_job_that_ran_out_of_memory_beside_others_runs_again_alone_and_ends_well() -> None:
    executor = Crowded({"a/1"})
    phase = driven(executor, "a/0", "a/1", "a/2", "a/3", "a/4")
    assert executor.beside[("a/1", 1)] == {"a/0", "a/2"}
    assert executor.beside[("a/1", 2)] == set()
    assert sorted(phase.ended) == [(f"a/{number}", "", False) for number in range(5)]


def test_each_of_several_such_jobs_runs_alone() -> None:
    executor = Crowded({"a/1", "a/2"})
    phase = driven(executor, "a/0", "a/1", "a/2", "a/3")
    assert executor.beside[("a/1", 2)] == executor.beside[("a/2", 2)] == set()
    assert {cause for _, cause, _ in phase.ended} == {""}


def test_a_job_that_runs_out_of_memory_alone_is_not_tried_a_third_time() -> None:
    executor = FakeExecutor(lacks_memory)
    phase = driven(executor, "a/0")
    assert attempts(executor) == [("a/0", 1), ("a/0", 2)]
    assert phase.ended == [("a/0", "out of memory: batch size 512 on cuda:0", False)]


def test_a_job_that_died_twice_before_still_runs_alone_once() -> None:
    def end(job: Job) -> list[JobEvent]:
        return {1: dies, 2: dies, 3: lacks_memory, 4: ends()}[job.attempt](job)

    executor = FakeExecutor(end)
    phase = driven(executor, "a/0")
    assert attempts(executor)[-1] == ("a/0", 4)
    assert phase.ended == [("a/0", "", False)]


def test_a_job_that_dies_of_something_else_does_not_wait_to_be_alone() -> None:
    executor = Crowded({"a/1"}, fails=dies)
    driven(executor, "a/0", "a/1", "a/2", "a/3", "a/4")
    assert executor.beside[("a/1", 2)]
