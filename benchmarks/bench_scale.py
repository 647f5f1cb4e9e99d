"""Scale: one coordinator, 1,024 slots and 100,000 finished trials; trainings are pretended.

    python benchmarks/bench_scale.py [--folder FOLDER] [--finished N ...] [--slots N ...]

The search of one arm of 15 parameters goes on after so many finished trials, on slots whose
trainings take no time of the machine. The clock is the coordinator's CPU time: other work on the
machine does not count, nor do waits for the disk. Where the coordinator would wait for the next
message, the clock is put forward. So an hour of trainings passes in the seconds that the
coordinator works, and a slot waits for its next trial as long as it would. The databases stay in
the folder, and a second run takes them from there.
"""

import argparse
import math
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from heapq import heappop, heappush
from itertools import count, product
from pathlib import Path

import numpy as np

from bench_report import COST, NUM_EVALUATIONS, evaluations
from hinet_search.api import load
from hinet_search.executors import Job, JobEnd, JobEvent, Message
from hinet_search.report.formats import write_report
from hinet_search.search.dispatch import StopFlag, drive
from hinet_search.storage.engine import connect
from hinet_search.storage.store import StudyStore
from hinet_search.training.jobs.messages import TrainingResult
from in_processes import FOLDER, run
from stored_trials import AT_ONCE, NAME, Workplace, fill, make_workplace, search_phase, workplace

FINISHED, SLOTS = (1_000, 10_000, 100_000), (64, 256, 1_024)
TRAINING_SECONDS = 600.0  # of a training that is not pruned; each takes between half and twice that
SAMPLERS = ("random", "tpe")
NUM_CURVES = 500  # of pretended trainings; trials share them
WORKED_SECONDS = 60.0  # of the coordinator, once every slot is busy


@dataclass(frozen=True)
class ScaleFigure:
    """One search after `num_finished` trials, of which `num_trials` more ended.

    `resume_seconds` is how long a launch takes to read what is stored, `start_seconds` to start the
    first job of every slot. `trial_ms` is the time of a trial with its evaluations; `busy` is the
    share of the time in which the coordinator works. Waits are seconds from the end of a job to the
    start of the next one on its slot.
    """

    sampler: str
    num_finished: int
    num_slots: int
    num_trials: int
    resume_seconds: float
    start_seconds: float
    trial_ms: float
    busy: float
    wait_median: float
    wait_99: float
    wait_most: float


@dataclass(frozen=True)
class PageFigure:
    """CPU seconds to load a study and to write its report, which a live page does too.

    The megabytes of memory are anonymous, at their highest.
    """

    num_finished: int
    database_megabytes: float
    load_seconds: float
    report_seconds: float
    report_megabytes: float
    memory_megabytes: float


@dataclass
class _Training:
    job: Job
    step_seconds: float
    said: int = 0


class Pretended:
    """An executor with many slots; trainings evaluate when a clock says so, and cost nothing.

    `now` are its seconds: those that have passed, and those that were skipped.
    """

    waiting = ""

    def __init__(self, num_slots: int) -> None:
        self.waits: list[float] = []
        self.ended = 0
        self.skipped = 0.0
        self._began = time.process_time()
        self._draw = np.random.default_rng(0)
        self._curves = [evaluations(seed) for seed in range(NUM_CURVES)]
        self._free: deque[float | None] = deque([None] * num_slots)  # since when
        self._order = count()
        self._due: list[tuple[float, int, _Training]] = []
        self._running: dict[str, _Training] = {}

    @property
    def now(self) -> float:
        return time.process_time() - self._began + self.skipped

    @property
    def free(self) -> int:
        return len(self._free)

    def submit(self, job: Job) -> None:
        since = self._free.popleft()
        if since is not None:
            self.waits.append(self.now - since)
        seconds = TRAINING_SECONDS * 2 ** self._draw.uniform(-1, 1)
        training = self._running[job.key] = _Training(job, seconds / NUM_EVALUATIONS)
        self._expect(training, self.now + training.step_seconds)

    def stop(self, key: str, part: str = "") -> None:  # noqa: ARG002  no job has parts
        """End the training at its next step; one step of a model takes a moment."""
        training = self._running[key]
        training.said = NUM_EVALUATIONS
        self._expect(training, self.now)

    def runs(self, key: str) -> bool:
        return key in self._running

    def kill(self, key: str) -> None: ...

    def forget(self, path: Path) -> None: ...

    def close(self) -> None: ...

    def poll(self, timeout: float) -> list[JobEvent]:  # noqa: ARG002  nothing is waited for
        """Return what was said until now; if that is nothing, the clock goes to the next word."""
        self.skipped += max(0.0, self._due[0][0] - self.now)
        events: list[JobEvent] = []
        while self._due and self._due[0][0] <= self.now:
            when, _, training = heappop(self._due)
            if training.job.key in self._running:
                events += self._speak(training, when)
        return events

    def _speak(self, training: _Training, when: float) -> Iterator[JobEvent]:
        job = training.job
        curve = self._curves[int(job.key.rsplit("/", 1)[1]) % NUM_CURVES]
        if training.said < NUM_EVALUATIONS:
            yield Message(job.key, job.attempt, curve[training.said])
            training.said += 1
            if training.said < NUM_EVALUATIONS:
                self._expect(training, when + training.step_seconds)
                return
            stopped = False
        else:
            stopped = True
        yield Message(job.key, job.attempt, TrainingResult(curve[-1], stopped=stopped, cost=COST))
        yield JobEnd(job.key, job.attempt, "")
        self.ended += 1
        del self._running[job.key]
        self._free.append(when)

    def _expect(self, training: _Training, when: float) -> None:
        heappush(self._due, (when, next(self._order), training))


class _EnoughError(Exception):
    """The time of a figure is up."""


@contextmanager
def _copy_of(file: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        yield Path(shutil.copy(file, folder))


def bench_scale(place: Workplace, sampler: str, num_finished: int, num_slots: int) -> ScaleFigure:
    """Go on with a copy of the study until the coordinator has worked for WORKED_SECONDS."""
    slots = Pretended(num_slots)
    stamps: list[float] = []  # begun, ready, all slots busy, ..., last

    def tick() -> None:
        stamps.append(time.process_time())
        if len(stamps) > 3 and stamps[-1] - stamps[2] > WORKED_SECONDS:
            raise _EnoughError

    with _copy_of(place.ours) as file, closing(connect(str(file), create=True)) as database:
        stamps.append(time.process_time())
        store, trials = (
            StudyStore(database, NAME),
            2 * num_finished + 10 * num_slots,
        )  # too many to end
        phase = search_phase(place, store, sampler, trials=trials, slots=num_slots)
        stamps.append(time.process_time())
        with suppress(_EnoughError):
            drive(slots, phase, StopFlag(), tick)
    begun, ready, busy, *_, last = stamps
    worked, ended = last - busy, max(slots.ended, 1)
    median, late, most = np.quantile(slots.waits or [math.nan], (0.5, 0.99, 1.0)).tolist()
    return ScaleFigure(
        sampler,
        num_finished,
        num_slots,
        num_trials=slots.ended,
        resume_seconds=ready - begun,
        start_seconds=busy - ready,
        trial_ms=1_000 * worked / ended,
        busy=worked / (worked + slots.skipped),
        wait_median=median,
        wait_99=late,
        wait_most=most,
    )


def stored(folder: Path, num_finished: int) -> Workplace:
    """Return the study with so many finished trials; its database stays in the folder."""
    whole, begun = folder / f"{num_finished}", folder / f"{num_finished}-begun"
    if not whole.exists():
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir(parents=True)
        place = make_workplace(begun)
        for start in range(0, num_finished, AT_ONCE):
            fill(place, range(start, min(num_finished, start + AT_ONCE)))
            show(f"{num_finished:,} finished trials: {start:,} are written")
        place.plain.unlink()
        begun.rename(whole)
    return workplace(whole)


def page_figure(place: Workplace, num_finished: int) -> PageFigure:
    """Load the study and write its report, in a process of its own."""
    memory, ((load_seconds, report_seconds, megabytes),) = run((write_page, place.ours))
    return PageFigure(
        num_finished,
        place.ours.stat().st_size / 1e6,
        load_seconds,
        report_seconds,
        megabytes,
        memory,
    )


def write_page(database: Path) -> tuple[float, float, float]:
    """CPU seconds to load and to write, and the megabytes of the report."""
    begun = time.process_time()
    record = load(NAME, storage=str(database))
    loaded = time.process_time()
    page = database.with_name("report.html")
    write_report(record, page)
    return loaded - begun, time.process_time() - loaded, page.stat().st_size / 1e6


def show(text: str) -> None:
    """Tell how far it is, where one line is written over."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Print tables: pages by number of finished trials, then searches by sampler and slots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER / "scale")
    parser.add_argument("--finished", type=int, nargs="+", default=FINISHED)
    parser.add_argument("--slots", type=int, nargs="+", default=SLOTS)
    parser.add_argument("--sampler", nargs="+", default=SAMPLERS)
    given = parser.parse_args()
    places = {number: stored(given.folder, number) for number in given.finished}
    print("  ".join(field.name for field in fields(PageFigure)))
    for num_finished, place in places.items():
        print(line(page_figure(place, num_finished)), flush=True)
    print("  ".join(field.name for field in fields(ScaleFigure)))
    for num_finished, place in places.items():
        for sampler, num_slots in product(given.sampler, given.slots):
            print(line(bench_scale(place, sampler, num_finished, num_slots)), flush=True)


def line(figure: PageFigure | ScaleFigure) -> str:
    """Return its values, numbers with three digits."""
    return "  ".join(
        f"{cell:.3g}" if isinstance(cell, float) else f"{cell}" for cell in astuple(figure)
    )


if __name__ == "__main__":
    main()
