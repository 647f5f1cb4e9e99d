"""Store: write and read one study's rows. A repeated write does not change the result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select, update

from hinet_search.common.errors import StudyConflict
from hinet_search.common.retry import Retry, once, with_retries
from hinet_search.results.data_record import AND
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Scalar,
    TrialRecord,
)
from hinet_search.results.study_record import PairedRun, StudyRecord
from hinet_search.storage import lease, row_mapping, tables
from hinet_search.storage.engine import Database
from hinet_search.storage.lease import Holder, this_process
from hinet_search.storage.load import (
    load_ensembles,
    load_finalists,
    load_paired_runs,
    load_record,
    load_reports,
)
from hinet_search.storage.optuna_copy import OptunaCopy, all_as_optuna, optuna_name
from hinet_search.storage.row_mapping import StudyRow, to_json, to_row, utc_now
from hinet_search.storage.tables import insert_if_absent, upsert
from hinet_search.storage.test_accesses import (
    accessed_seeds,
    count_test_accesses,
    record_test_access,
    record_test_rows,
    rename_accesses,
)

# Columns that a running study writes, and what an arm tried first.
_ADDED_TO_ARM = ("fixed_json", "importances_json", "starts_json")


@with_retries("acquire_lease", "create_study")
@dataclass(frozen=True)
class StudyStore:
    """One study in one database. `retry` decides what every method does about a lost database.

    With `leased`, every write renews the lease, and raises StudyConflict when another process took
    it over.
    """

    database: Database
    study: str
    holder: Holder = field(default_factory=this_process)
    retry: Retry | Callable[[Callable[[], Any]], Any] = once
    leased: bool = False

    def acquire_lease(self) -> None:
        """Make this process the study's only writer; StudyConflict names a live holder."""
        url = self.database.engine.url
        with lease.taking(url, self.study, self.holder), self.database.writing() as connection:
            lease.acquire(connection, self.study, self.holder)

    def refuse_held(self) -> None:
        """Raise StudyConflict when a live process runs the study, and name it."""
        with self.database.reading() as connection:
            lease.refuse_held(connection, self.study, self.holder)

    def renew_lease(self, **noted: float | None) -> None:
        """Renew the lease, every few seconds, and note the `seconds_left` of the launch.

        StudyConflict when another process took it over.
        """
        with self.database.writing() as connection:
            lease.renew(connection, self.study, self.holder, **noted)

    def release_lease(self) -> None:
        """Release the lease, so that another coordinator can start at once.

        If the database cannot be written, one of this process can all the same.
        """
        try:
            with self.database.writing() as connection:
                lease.release(connection, self.study, self.holder)
        except BaseException:
            lease.give_up(self.database.engine.url, self.study, self.holder)
            raise

    def create_study(self, study: StudyRow, arms: Sequence[ArmRecord]) -> None:
        """Write the study and its arms in the report's order; StudyConflict when it exists."""
        assert study.name == self.study, "a store writes its own study"
        with self._writing() as connection:
            if not insert_if_absent(connection, tables.study, to_row(tables.study, study)):
                raise StudyConflict(f"study '{self.study}' exists already in {self.database.url}")
            record_test_rows(connection, study.data)
            for position, arm in enumerate(arms):
                connection.execute(tables.arm.insert(), self._arm_row(arm, position))

    def load_study(self) -> StudyRow | None:
        """Return the study as created and last updated, or None."""
        ours = select(tables.study).where(tables.study.c.name == self.study)
        with self.database.reading() as connection:
            row = connection.execute(ours).one_or_none()
            return None if row is None else row_mapping.study_from_row(row)

    def load_record(self) -> StudyRecord:
        """Return the study as reports read it."""
        return load_record(self.database, self.study)

    def continue_study(self, study: StudyRow, arms: Sequence[ArmRecord]) -> None:
        """Write what may differ between launches: budget, slots, command, versions, limits, YAML.

        Also write further arms and wider ranges.
        """
        row = to_row(tables.study, study)
        fixed = {"name", "uuid", "objective", "maximize", "seed", "data_json", "started"}
        fixed |= {"seconds", "updated"}
        with self._writing() as connection:
            record_test_rows(connection, study.data)
            for position, arm in enumerate(arms):
                upsert(connection, tables.arm, self._arm_row(arm, position), keep=_ADDED_TO_ARM)
            self._touch(connection, {key: row[key] for key in row if key not in fixed})

    def add_arm(self, arm: ArmRecord) -> None:
        """Write an arm after all others, unless it exists."""
        last = select(func.max(tables.arm.c.position)).where(tables.arm.c.study == self.study)
        with self._writing() as connection:
            position = connection.execute(last).scalar_one() + 1
            insert_if_absent(connection, tables.arm, self._arm_row(arm, position))
            self._touch(connection)

    def students(self) -> Mapping[str, str]:
        """Return the finalist that each student learns as (`star/12`), by the student's name."""
        arm = tables.arm.c
        of_students = select(arm.arm, arm.student_of).where(
            arm.study == self.study, arm.student_of != ""
        )
        with self.database.reading() as connection:
            return {row.arm: row.student_of for row in connection.execute(of_students)}

    def drop_students(self, names: Sequence[str]) -> None:
        """Delete students with their trials and finalists; their test accesses stay counted."""
        of_students = and_(tables.arm.c.study == self.study, tables.arm.c.arm.in_(names))
        with self._writing() as connection:
            rename_accesses(connection, self.study, names)
            connection.execute(delete(tables.arm).where(of_students))
            self._touch(connection)

    def record_ensemble(self, ensemble: EnsembleRecord) -> None:
        """Write an ensemble, or what is new of it."""
        record_json = to_json(EnsembleRecord, ensemble)
        row = {"study": self.study, "name": ensemble.name, "record_json": record_json}
        with self._writing() as connection:
            upsert(connection, tables.ensemble, row)
            self._touch(connection)

    def ensembles(self) -> tuple[EnsembleRecord, ...]:
        """Return the ensembles of the study."""
        with self.database.reading() as connection:
            return load_ensembles(connection, self.study)

    def record_paired_run(self, run: PairedRun) -> None:
        """Write a training that measures inputs or choices."""
        left_out = AND.join(run.left_out)
        row = to_row(tables.input_worth, run, study=self.study, left_out=left_out)
        with self._writing() as connection:
            upsert(connection, tables.input_worth, row)
            self._touch(connection)

    def drop_other_runs(self, arm: str) -> None:
        """Delete trainings that measured the same, inputs or choices, with another arm."""
        others = {run.arm for run in self.paired_runs() if ("/" in arm) == run.is_of_choices}
        table = tables.input_worth
        of_others = and_(table.c.study == self.study, table.c.arm.in_(others - {arm}))
        with self._writing() as connection:
            connection.execute(delete(table).where(of_others))

    def paired_runs(self) -> tuple[PairedRun, ...]:
        """Return the trainings that measured inputs and choices of the study."""
        with self.database.reading() as connection:
            return load_paired_runs(connection, self.study)

    def set_state(self, state: str, seconds: float | None = None, verdict: str = "") -> None:
        """Set running, stopped or done, the seconds spent when given, and the verdict's sentence.

        A study that is done has one, for lists of studies.
        """
        changed: dict[str, object] = {"state": state, "verdict": verdict}
        if seconds is not None:
            changed["seconds"] = seconds
        with self._writing() as connection:
            self._touch(connection, changed)

    def copy_to_optuna(
        self, arm: str, distributions: Mapping[str, BaseDistribution], first: int = 0
    ) -> int:
        """Bring Optuna's copy of an arm up to date, from trial `first` on.

        Return the first trial that has not ended: those before need not be copied again. If the
        copy is not like our trials, which additions cannot change, it is made again.
        """
        trials = self._as_optuna(arm, distributions, first)
        if not trials:
            return first
        study = self.load_study()
        assert study is not None, "create_study comes first"
        with self.database.guarded():
            copy = OptunaCopy(
                self.database.storage,
                optuna_name(self.study, arm),
                study.maximize,
                study.objective,
                alive=self.renew_lease if self.leased else lambda: None,
                aucs=partial(self._aucs, arm),
            )
            is_like_ours = copy.update(trials)
            if not is_like_ours:
                trials = self._as_optuna(arm, distributions, 0)
                copy.delete()
                is_like_ours = copy.update(trials)
        unfinished = [trial.number for trial in trials if not trial.state.is_finished()]
        first_left = min(unfinished, default=trials[-1].number + 1)
        return first_left if is_like_ours else 0

    def _as_optuna(
        self, arm: str, distributions: Mapping[str, BaseDistribution], first: int
    ) -> list[FrozenTrial]:
        with self.database.reading() as connection:
            evaluations = load_reports(connection, self.study, arm, first=first)
        rows = self.trials(arm, first)
        with self.database.guarded():
            return all_as_optuna(rows, evaluations, distributions, attrgetter("step"), first)

    def _aucs(self, arm: str, trial: FrozenTrial) -> dict[str, float]:
        """Return the AUC by cell of the evaluation that gave an ended trial its value."""
        table = tables.evaluation
        of_trial = and_(self._of_arm(arm, table), table.c.number == trial.number)
        has_value = and_(of_trial, table.c.objective == trial.value)
        with self.database.reading() as connection:
            rows = connection.execute(select(table).where(has_value).order_by(table.c.step)).all()
        if not rows:
            return {}
        cells = row_mapping.evaluation_from_row(rows[0]).cells
        aucs = {}
        for cell in cells:
            if cell.auc is not None:
                aucs[f"{cell.scenario} / {cell.task}"] = round(cell.auc, 4)
        return aucs

    def evaluations(self, arm: str, *, cells: bool) -> Mapping[int, list[EvaluationRecord]]:
        """Return the evaluations of an arm's trials, by trial number."""
        with self.database.reading() as connection:
            return load_reports(connection, self.study, arm, cells=cells)

    def finalists(self) -> Mapping[str, tuple[FinalistRecord, ...]]:
        """Return the finalists of every arm that has any."""
        return load_finalists(self.database, self.study)

    def record_trial(self, arm: str, trial: TrialRecord) -> None:
        """Write a trial when it is drawn and when it ends; drop one of an older attempt."""
        row = to_row(tables.trial, trial, study=self.study, arm=arm)
        with self._writing() as connection:
            upsert(connection, tables.trial, row)
            self._touch(connection)

    def trials(self, arm: str, first: int = 0) -> tuple[TrialRecord, ...]:
        """Return an arm's trials from number `first` on, by number, without evaluations."""
        number = tables.trial.c.number
        of_arm = and_(self._of_arm(arm, tables.trial), number >= first)
        rows = select(tables.trial).where(of_arm).order_by(number)
        with self.database.reading() as connection:
            return tuple(map(row_mapping.trial_from_row, connection.execute(rows)))

    def record_evaluation(
        self, arm: str, number: int, attempt: int, evaluation: EvaluationRecord
    ) -> None:
        """Write one step of one trial, or the same step again; drop one of an older attempt."""
        key = {"study": self.study, "arm": arm, "number": number}
        row = to_row(tables.evaluation, evaluation, **key, attempt=attempt)
        with self._writing() as connection:
            upsert(connection, tables.evaluation, row)

    def record_finalist(
        self,
        arm: str,
        trial_number: int,
        parameters: Mapping[str, Scalar],
        run: FinalistRun,
        *,
        is_default: bool,
    ) -> None:
        """Write one seed of a finalist.

        A second write keeps `chosen`, and the stored test cells when the run has none.
        """
        row = to_row(
            tables.finalist,
            run,
            study=self.study,
            arm=arm,
            trial_number=trial_number,
            is_default=is_default,
            chosen=False,
            parameters_json=to_json(row_mapping.PARAMETERS, parameters),
        )
        keep = ["chosen"] if run.test_cells is not None else ["chosen", "test_cells_json"]
        with self._writing() as connection:
            upsert(connection, tables.finalist, row, keep)
            self._touch(connection)

    def mark_chosen(self, arm: str, trial_number: int) -> None:
        """Make this finalist the only chosen one of its arm."""
        table = tables.finalist
        statement = (
            update(table)
            .where(self._of_arm(arm, table))
            .values(chosen=table.c.trial_number == trial_number)
        )
        with self._writing() as connection:
            connection.execute(statement)
            self._touch(connection)

    def set_test_cells(
        self, arm: str, trial_number: int, seed: int, cells: Sequence[CellValue]
    ) -> None:
        """Write the test cells of a recorded seed of a finalist. Record the test access first."""
        table = tables.finalist
        row = and_(
            self._of_arm(arm, table), table.c.trial_number == trial_number, table.c.seed == seed
        )
        cells_json = to_json(row_mapping.CELLS, tuple(cells))
        with self._writing() as connection:
            written = connection.execute(
                update(table).where(row).values(test_cells_json=cells_json)
            ).rowcount
            assert written == 1, "a finalist is recorded before it is opened"
            self._touch(connection)

    def record_summary(self, arm: str, trial_number: int, summary: FinalistSummary) -> None:
        """Write the summary of a finalist over its seeds."""
        table = tables.finalist
        of_finalist = and_(self._of_arm(arm, table), table.c.trial_number == trial_number)
        value = to_json(FinalistSummary, summary)
        with self._writing() as connection:
            connection.execute(update(table).where(of_finalist).values(summary_json=value))
            self._touch(connection)

    def fixed_of(self, arm: str) -> Mapping[str, Scalar]:
        """Return what is fixed in an arm, also what was fixed while it ran."""
        with self.database.reading() as connection:
            row = connection.execute(select(tables.arm).where(self._of_arm(arm))).one()
            return row_mapping.arm_from_row(row).fixed

    def record_fixed(self, arm: str, fixed: Mapping[str, Scalar]) -> None:
        """Fix further settings of an arm, for this launch and all later ones."""
        value = to_json(row_mapping.PARAMETERS, {**self.fixed_of(arm), **fixed})
        with self._writing() as connection:
            connection.execute(update(tables.arm).where(self._of_arm(arm)).values(fixed_json=value))

    def record_importances(self, arm: str, importances: Mapping[str, float]) -> None:
        """Write the importances of an arm's parameters (they sum to 1)."""
        value = to_json(row_mapping.IMPORTANCES, importances)
        with self._writing() as connection:
            connection.execute(
                update(tables.arm).where(self._of_arm(arm)).values(importances_json=value)
            )

    def record_test_access(
        self, fingerprint: str, arm: str, trial_number: int, seeds: Sequence[int]
    ) -> None:
        """Note a test access to this data before it happens. Test accesses outlive the study."""
        with self._writing() as connection:
            record_test_access(connection, fingerprint, (self.study, arm, trial_number), seeds)

    def accessed_seeds(self, fingerprint: str, arm: str, trial_number: int) -> set[int]:
        """Return a finalist's seeds with a noted test access to this data."""
        with self.database.reading() as connection:
            return accessed_seeds(connection, fingerprint, (self.study, arm, trial_number))

    def count_test_accesses(self, fingerprint: str) -> int:
        """Count the test accesses to this data's test rows by all studies of this database."""
        with self.database.reading() as connection:
            return count_test_accesses(connection, fingerprint)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.database.writing() as connection:
            if self.leased:
                lease.renew(connection, self.study, self.holder)
            yield connection

    def _arm_row(self, arm: ArmRecord, position: int) -> dict[str, object]:
        return to_row(tables.arm, arm, study=self.study, arm=arm.name, position=position)

    def _of_arm(self, arm: str, table: Table = tables.arm) -> ColumnElement[bool]:
        return and_(table.c.study == self.study, table.c.arm == arm)

    def _touch(self, connection: Connection, changed: Mapping[str, object] | None = None) -> None:
        row = update(tables.study).where(tables.study.c.name == self.study)
        connection.execute(row.values(updated=utc_now(), **(changed or {})))
