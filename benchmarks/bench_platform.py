"""Platform cost around empty trainings: time of a trial, of status, of loading, of start-up.

A trial is all that a launch does but the training. Plain Optuna, on SQLite as it opens it, does as
much right after but measuring models (`admission_cpu_ms`): the same parameters, reports and pruner.
"""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import count, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import optuna

from bench_report import CELLS, COST, EVALUATIONS_PER_PASS, evaluations, median_seconds
from hinet_search.api import load
from hinet_search.executors import Job, JobEnd, JobEvent, Message
from hinet_search.results.objectives import Objective
from hinet_search.results.records import Budget
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import StopFlag, drive
from hinet_search.search.identity import distributions
from hinet_search.search.phases.trials import TrialPhase
from hinet_search.search.plan.plan import RandomDraw
from hinet_search.search.plan.size_limits import SizeLimits
from hinet_search.search.progress import ArmProgress, NullWatcher, Progress
from hinet_search.search.sampling import make_pruner
from hinet_search.storage import row_mapping, tables
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies
from hinet_search.storage.rows import ArmRow, StudyRow, TrialRow
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import ResolvedStudy, load_study
from hinet_search.study.study_spec import SamplerSpec
from hinet_search.training.jobs.messages import TrainingResult
from hinet_search.training.trial_config import build_config
from work import make_dataset

STUDY = """\
data:
  source: {kind: synthetic}
  scenario: {column: a}
  tasks: {b: {column: b}}
  features: {categorical: [c]}
  split: {by: random}
arms: {hinet: {space: fifteen}}
cost_limit: 1000  # the size of every draw is computed, and none is refused
passes: 2.5  # with four evaluations each
"""
SPACE = """\
include: [hinet]
fixed: {model.san.enabled: true, model.san.top_k: null, model.cgc.layout: per_scenario}
"""
NAME, ARM, NUM_PARAMETERS = "bench", "hinet", 15
SAMPLERS = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
WHEN, TIME = "2026-01-01T00:00:00+00:00", "2026-01-01 00:00:00.000000"
INSERTS = (
    (
        "trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
        "VALUES (?, ?, 1, 'COMPLETE', ?, ?)"
    ),
    "trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
    "trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, 'FINITE')",
    (
        "trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
        "VALUES (?, ?, ?, 'FINITE')"
    ),
)
AT_ONCE = 1_000  # trials that are written in one transaction
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


@dataclass(frozen=True)
class Workplace:
    """Two databases with the same trials, ours and plain Optuna's, and their study."""

    study: ResolvedStudy
    size_limits: SizeLimits
    ours: Path
    plain: Path


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

    def stop(self, key: str) -> None: ...

    def forget(self, path: Path) -> None: ...

    def close(self) -> None: ...

    def runs(self, key: str) -> bool:  # noqa: ARG002  it has but one
        return True

    def kill(self, key: str) -> None: ...

    def poll(self, timeout: float) -> list[JobEvent]:  # noqa: ARG002  nothing is waited for
        heard, self.coming = self.coming, []
        return heard


def workplace(folder: Path) -> Workplace:
    """The study, and where its databases are; they may not be there yet."""
    (folder / "fifteen.yaml").write_text(SPACE)
    (folder / f"{NAME}.yaml").write_text(STUDY)
    study = load_study(str(folder / f"{NAME}.yaml"))
    return Workplace(
        study,
        SizeLimits.of(make_dataset(1_000), study),
        folder / "ours.sqlite3",
        folder / "plain.sqlite3",
    )


def make_workplace(folder: Path) -> Workplace:
    """Both studies, without a trial."""
    place = workplace(folder)
    spec, arm = place.study.spec, place.study.arms[0]
    row = StudyRow(
        name=NAME,
        uuid=NAME,
        state="running",
        spec_json="{}",
        study_yaml=STUDY,
        command="",
        description="",
        objective=spec.objective,
        maximize=True,
        sampler="tpe",
        pruner="median",
        seed=spec.seed,
        slots=1,
        budget=Budget(spec.trials, 2.5, 5, 3),
        data=make_dataset(1_000).record,
        versions={},
        started=WHEN,
        updated=WHEN,
    )
    with closing(connect(str(place.ours), create=True)) as database:
        store = StudyStore(database, NAME)
        store.create_study(row, [ArmRow(ARM, arm.model, arm.space.ranges(), {})])
        store.optuna_arm(ARM, distributions(arm.space), round)
    optuna.create_study(storage=f"sqlite:///{place.plain}", study_name=NAME, direction="maximize")
    return place


def fill(place: Workplace, numbers: range) -> None:
    """Writes finished trials of these numbers in bulk: Optuna's own way takes 15 ms for each."""
    space, kinds = place.study.arms[0].space, optuna.create_study().ask()
    space.suggest(kinds)
    assert len(kinds.distributions) == NUM_PARAMETERS, "no parameter has a condition"
    drawn, said = (
        {n: space.suggest(RandomDraw(n)) for n in numbers},
        {n: evaluations(n) for n in numbers},
    )
    shapes = [
        (name, distribution, optuna.distributions.distribution_to_json(distribution))
        for name, distribution in kinds.distributions.items()
    ]
    rows: tuple[list[tuple[Any, ...]], ...] = (
        [(n + 1, n, TIME, TIME) for n in numbers],
        [
            (n + 1, name, distribution.to_internal_repr(drawn[n][name]), text)
            for n in numbers
            for name, distribution, text in shapes
        ],
        [(n + 1, said[n][-1].objective) for n in numbers],
        [(n + 1, evaluation.step, evaluation.objective) for n in numbers for evaluation in said[n]],
    )
    for file in (place.ours, place.plain):
        with closing(sqlite3.connect(file)) as bare, bare:
            for insert, values in zip(INSERTS, rows, strict=True):
                bare.executemany(f"INSERT INTO {insert}", values)
    trials = [
        TrialRow(n, 1, n == 0, drawn[n], WHEN, "complete", said[n][-1].objective, WHEN, cost=COST)
        for n in numbers
    ]
    heard = [
        row_mapping.evaluation_to_row((NAME, ARM, n), 1, evaluation)
        for n in numbers
        for evaluation in said[n]
    ]
    with (
        closing(connect(str(place.ours), create=True)) as database,
        database.writing() as connection,
    ):
        connection.execute(
            tables.trial.insert(), [row_mapping.trial_to_row(NAME, ARM, trial) for trial in trials]
        )
        connection.execute(tables.evaluation.insert(), heard)


def our_trials(
    place: Workplace, sampler: str, num_finished: int, trials: int
) -> tuple[float, float]:
    """CPU and wall milliseconds of a trial of ours, on a copy of the database."""
    spec = place.study.spec.model_copy(
        update={"trials": num_finished + trials, "sampler": SamplerSpec(kind=sampler)}
    )
    with closing(
        connect(str(shutil.copy(place.ours, f"{place.ours}-copy")), create=True)
    ) as database:
        store, arm = StudyStore(database, NAME), place.study.arms[0]
        search = ArmSearch(
            arm, spec, Objectives(Objective(spec.objective)), store, place.size_limits
        )
        progress = Progress(NAME, 1, "cpu", spec.passes, {ARM: ArmProgress(ARM, spec.trials)})
        context = PhaseContext(
            spec, store, place.ours.parent, "none", place.ours.parent, progress, NullWatcher()
        )
        stamps = [_now()]
        drive(
            Instant(),
            TrialPhase([search], context, seconds_before=0.0),
            StopFlag(),
            lambda: stamps.append(_now()),
        )
    assert len(stamps) == trials + 1, "the budget was used and every trial ticked once"
    return _milliseconds(stamps)


def plain_trials(
    place: Workplace, sampler: str, num_finished: int, trials: int
) -> tuple[float, float]:
    """The same of Optuna with the defaults of its storage and samplers, and our pruner."""
    spec, space = place.study.spec, place.study.arms[0].space
    study = optuna.load_study(
        study_name=NAME,
        storage=f"sqlite:///{shutil.copy(place.plain, f'{place.plain}-copy')}",
        sampler=SAMPLERS[sampler](seed=0),
        pruner=make_pruner(spec.pruner, spec.passes, EVALUATIONS_PER_PASS),
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
    arm = place.study.arms[0]
    draws = (arm.space.suggest(RandomDraw(seed)) for seed in count())

    def admit() -> str:
        config = build_config(arm.model, arm.space.values(next(draws)))
        return place.size_limits.refusal(arm, config)

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
