"""Stored trials: a study with as many finished trials as wanted, ours and plain Optuna's.

Its one arm has fifteen parameters, and each trial ten evaluations of twelve cells.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning

from bench_report import COST, evaluations
from hinet_search.common import quiet
from hinet_search.data.columns import Dataset
from hinet_search.results.objectives import Objective
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import Budget
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.phases.trials import TrialPhase
from hinet_search.search.plan.size_limits import SizeLimits
from hinet_search.search.progress import ArmProgress, NullWatcher, Progress
from hinet_search.storage import tables
from hinet_search.storage.engine import connect
from hinet_search.storage.optuna_copy import optuna_name
from hinet_search.storage.row_mapping import StudyRow, new_arm, to_row
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import ResolvedStudy, load_study
from hinet_search.study.study_spec import SamplerSpec
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
epochs: 2.5  # with four evaluations each
"""
SPACE = """\
include: [hinet]
fixed:
  model.san.enabled: true
  model.san.top_k: null
  model.cgc.layout: per_scenario
  train.embedding_l2: 0.0
"""
NAME, ARM, NUM_PARAMETERS = "bench", "hinet", 15
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


@dataclass(frozen=True)
class Workplace:
    """Two databases with the same trials, ours and plain Optuna's, and their study."""

    study: ResolvedStudy
    dataset: Dataset
    ours: Path
    plain: Path

    @property
    def size_limits(self) -> SizeLimits:
        """What the size of a draw is compared with."""
        return SizeLimits.of(self.dataset, self.study)


def workplace(folder: Path) -> Workplace:
    """The study, and where its databases are; they may not be there yet."""
    (folder / "fifteen.yaml").write_text(SPACE)
    (folder / f"{NAME}.yaml").write_text(STUDY)
    study = load_study(str(folder / f"{NAME}.yaml"))
    return Workplace(study, make_dataset(1_000), folder / "ours.sqlite3", folder / "plain.sqlite3")


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
        data=place.dataset.record,
        versions={},
        started=WHEN,
        updated=WHEN,
    )
    with closing(connect(str(place.ours), create=True)) as database:
        store = StudyStore(database, NAME)
        store.create_study(row, [new_arm(arm, arm.space.ranges())])
        name = optuna_name(NAME, ARM)
        copy = optuna.create_study(storage=database.storage, study_name=name, direction="maximize")
        with quiet.without(ExperimentalWarning):
            copy.set_metric_names([spec.objective])
    optuna.create_study(storage=f"sqlite:///{place.plain}", study_name=NAME, direction="maximize")
    return place


def fill(place: Workplace, numbers: range) -> None:
    """Writes finished trials of these numbers in bulk: Optuna's own way takes 15 ms for each."""
    space, kinds = place.study.arms[0].space, optuna.create_study().ask()
    space.suggest(kinds)
    num_drawn = len(kinds.distributions)
    assert num_drawn == NUM_PARAMETERS, f"{num_drawn} are drawn: fix one, or free one, in SPACE"
    drawn, said = (
        {n: space.at_random(n) for n in numbers},
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
        TrialRecord(
            number=n,
            state="complete",
            value=said[n][-1].objective,
            parameters=drawn[n],
            is_default=n == 0,
            cause="",
            evaluations=(),
            cost=COST,
            started=WHEN,
            finished=WHEN,
        )
        for n in numbers
    ]
    heard = [
        to_row(tables.evaluation, evaluation, study=NAME, arm=ARM, number=n, attempt=1)
        for n in numbers
        for evaluation in said[n]
    ]
    with (
        closing(connect(str(place.ours), create=True)) as database,
        database.writing() as connection,
    ):
        connection.execute(
            tables.trial.insert(),
            [to_row(tables.trial, trial, study=NAME, arm=ARM) for trial in trials],
        )
        connection.execute(tables.evaluation.insert(), heard)


def search_phase(
    place: Workplace, store: StudyStore, sampler: str, *, trials: int, slots: int
) -> TrialPhase:
    """Return the search of the arm up to so many trials, the stored ones among them."""
    spec = place.study.spec.model_copy(
        update={"trials": trials, "sampler": SamplerSpec(kind=sampler)}
    )
    objectives, size_limits = Objectives(Objective(spec.objective)), place.size_limits
    search = ArmSearch(place.study.arms[0], spec, objectives, store, size_limits.refusal)
    progress = Progress(NAME, slots, "cpu", spec.epochs, {ARM: ArmProgress(ARM, trials)})
    folder = place.ours.parent
    context = PhaseContext(spec, store, folder, "none", folder, progress, NullWatcher())
    return TrialPhase([search], context)
