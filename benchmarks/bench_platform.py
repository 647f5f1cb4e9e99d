"""Platform cost around empty trainings: time of a trial, of status, of loading, of start-up.

A trial is all that a launch does but the training, its share of Optuna's copy included. Plain
Optuna, on SQLite as it opens it, does as much right after but measuring models
(`admission_cpu_ms`): the same parameters, reports and pruner.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import count, pairwise
from pathlib import Path
from statistics import median

import optuna

from bench_report import CELLS, COST, evaluations, median_seconds
from hinet_search.api import load
from hinet_search.executors import Job, JobEnd, JobEvent, Message
from hinet_search.search.coordinator import OptunaCopies
from hinet_search.search.dispatch import StopFlag, drive
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies
from hinet_search.storage.store import StudyStore
from hinet_search.training.jobs.messages import TrainingResult
from hinet_search.training.trial_config import build_config
from stored_trials import AT_ONCE, NAME, Workplace, fill, make_workplace, search_phase

SAMPLERS = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
COMMAND = Path(sys.executable).with_name("hinet-search")
IS_TORCH_THERE = (
    "import sys; from hinet_search.cli import cli; "
    "cli(sys.argv[1:], standalone_mode=False); print('torch' in sys.modules)"
)


@dataclass(frozen=True)
class TrialFigure:
    """Milliseconds of a trial after `num_finished` others, medians; ratios are plain to ours."""

    sampler: str
    num_finished: int
    cpu_ms: float
    wall_ms: float
    plain_cpu_ms: float
    plain_wall_ms: float
    cpu_ratio: float
    wall_ratio: float


@dataclass(frozen=True)
class StoredFigure:
    """A study on disk: median seconds of `status` (in a process, and as one) and of loading."""

    num_trials: int
    num_cells: int
    megabytes: float
    status_seconds: float
    status_process_seconds: float
    load_seconds: float


@dataclass(frozen=True)
class StartFigure:
    """Median seconds of processes; `admission_cpu_ms` is the part that sizes a trial's model."""

    import_seconds: float
    help_seconds: float
    status_imports_torch: bool
    admission_cpu_ms: float


@dataclass(frozen=True)
class PlatformFigure:
    trials: tuple[TrialFigure, ...]
    stored: tuple[StoredFigure, ...]
    start: StartFigure


@dataclass
class Instant:
    """An executor with one slot, whose jobs have sent all their messages once submitted."""

    coming: list[JobEvent] = field(default_factory=list)
    waiting = ""

    @property
    def free(self) -> int:
        return 0 if self.coming else 1

    def submit(self, job: Job) -> None:
        said = evaluations(int(job.key.rsplit("/", 1)[1]))
        bodies = (*said, TrainingResult(said[-1], stopped=False, cost=COST))
        self.coming = [
            *(Message(job.key, job.attempt, body) for body in bodies),
            JobEnd(job.key, job.attempt, ""),
        ]

    def stop(self, key: str, part: str = "") -> None: ...

    def forget(self, path: Path) -> None: ...

    def close(self) -> None: ...

    def runs(self, key: str) -> bool:  # noqa: ARG002  it has but one
        return True

    def kill(self, key: str) -> None: ...

    def poll(self, timeout: float) -> list[JobEvent]:  # noqa: ARG002  nothing is waited for
        heard, self.coming = self.coming, []
        return heard


def our_trials(
    place: Workplace, sampler: str, num_finished: int, trials: int
) -> tuple[float, float]:
    """CPU and wall milliseconds of a trial of ours, on a copy of the database."""
    copy = shutil.copy(place.ours, f"{place.ours}-copy")
    with closing(connect(str(copy), create=True)) as database:
        store = StudyStore(database, NAME)
        phase = search_phase(place, store, sampler, trials=num_finished + trials, slots=1)
        copies = OptunaCopies()
        copies.update(store, place.study.arms)
        stamps = [_now()]
        drive(Instant(), phase, StopFlag(), lambda: stamps.append(_now()))
        began = _now()
        copies.update(store, place.study.arms)
        copied = _now()
    assert len(stamps) == trials + 1, "the budget was used and every trial ticked once"
    cpu, wall = _milliseconds(stamps)
    copy_cpu, copy_wall = _milliseconds([began, copied])
    return cpu + copy_cpu / trials, wall + copy_wall / trials


def plain_trials(
    place: Workplace, sampler: str, num_finished: int, trials: int
) -> tuple[float, float]:
    """The same of Optuna with the defaults of its storage and samplers, and our pruner."""
    space = place.study.arms[0].space
    study = optuna.load_study(
        study_name=NAME,
        storage=f"sqlite:///{shutil.copy(place.plain, f'{place.plain}-copy')}",
        sampler=SAMPLERS[sampler](seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    study.get_trials(deepcopy=False)  # ours reads them when its search begins
    stamps = [_now()]
    for number in range(num_finished, num_finished + trials):
        trial, said = study.ask(), evaluations(number)
        space.suggest(trial)
        for evaluation in said:
            trial.report(evaluation.objective, evaluation.step)
            trial.should_prune()
        study.tell(trial, said[-1].objective)
        stamps.append(_now())
    return _milliseconds(stamps)


def bench_platform(sizes: tuple[int, ...], *, trials: int, repeats: int) -> PlatformFigure:
    """Time trials by sampler and number of finished ones; list and load the largest studies."""
    with tempfile.TemporaryDirectory(prefix="hinet-search-bench-") as name:
        place = make_workplace(Path(name))
        figures, stored = [], []
        for before, size in pairwise((0, *sizes)):
            for start in range(before, size, AT_ONCE):
                fill(place, range(start, min(size, start + AT_ONCE)))
            figures += [_trial_figure(place, sampler, size, trials) for sampler in SAMPLERS]
            stored += [_stored_figure(place.ours, size, repeats)] if size in sizes[-2:] else []
        return PlatformFigure(tuple(figures), tuple(stored), _start_figure(place, repeats))


def _start_figure(place: Workplace, repeats: int) -> StartFigure:
    arm, size_limits = place.study.arms[0], place.size_limits
    draws = (arm.space.at_random(seed) for seed in count())

    def admit() -> str:
        config = build_config(arm.model, arm.space.values(next(draws)))
        return size_limits.refusal(arm, config)

    status = _run(sys.executable, "-c", IS_TORCH_THERE, "status", "--storage", place.ours)
    return StartFigure(
        import_seconds=median_seconds(
            lambda: _run(sys.executable, "-c", "import hinet_search"), repeats
        ),
        help_seconds=median_seconds(lambda: _run(COMMAND, "--help"), repeats),
        status_imports_torch="True" in status,
        admission_cpu_ms=1000 * median_seconds(admit, 50, time.process_time),
    )


def _trial_figure(place: Workplace, sampler: str, num_finished: int, trials: int) -> TrialFigure:
    cpu, wall = our_trials(place, sampler, num_finished, trials)
    plain_cpu, plain_wall = plain_trials(
        place, sampler, num_finished, trials // 4
    )  # its wall time is long
    return TrialFigure(
        sampler, num_finished, cpu, wall, plain_cpu, plain_wall, plain_cpu / cpu, plain_wall / wall
    )


def _stored_figure(file: Path, num_trials: int, repeats: int) -> StoredFigure:
    def status() -> None:
        with closing(connect(str(file))) as database:
            assert list_studies(database)[0].done == num_trials, "every trial counts"

    return StoredFigure(
        num_trials=num_trials,
        num_cells=len(CELLS),
        megabytes=file.stat().st_size / 1e6,
        status_seconds=median_seconds(status, repeats),
        load_seconds=median_seconds(lambda: load(NAME, storage=str(file)), 3),
        status_process_seconds=median_seconds(
            lambda: _run(COMMAND, "status", "--storage", file), repeats
        ),
    )


def _run(*command: object) -> str:
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True
    ).stdout


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _milliseconds(stamps: list[tuple[float, float]]) -> tuple[float, float]:
    cpu, wall = zip(
        *((end[0] - start[0], end[1] - start[1]) for start, end in pairwise(stamps)), strict=True
    )
    return 1000 * median(cpu), 1000 * median(wall)


def table(figure: PlatformFigure) -> str:
    """Names over values, for each kind of figure."""
    lines = []
    for figures in (figure.trials, figure.stored, (figure.start,)):
        lines.append("  ".join(asdict(figures[0])))
        for row in figures:
            values = {
                name: round(value, 3) if isinstance(value, float) else value
                for name, value in asdict(row).items()
            }
            lines.append("  ".join(str(value).rjust(len(name)) for name, value in values.items()))
    return "\n".join(lines)
