"""Store: all that the coordinator of one study writes. Every write may be repeated without changing the outcome."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, and_, select, update

from hinet_search.errors import StudyConflict
from hinet_search.patience import Patience, impatient, with_patience
from hinet_search.records import CellValue, EvaluationRecord, FinalistRecord, FinalistRun, FinalistSummary, Scalar
from hinet_search.storage import columns, lease, tables
from hinet_search.storage.clock import utc_now
from hinet_search.storage.codec import from_json, to_json
from hinet_search.storage.engine import Database
from hinet_search.storage.lease import Holder, this_process
from hinet_search.storage.load import load_finalists
from hinet_search.storage.names import optuna_name
from hinet_search.storage.openings import count_openings, note_opening, seeds_of_openings
from hinet_search.storage.optuna_writes import deleted, write_report, write_trial
from hinet_search.storage.redistribute import redistribute
from hinet_search.storage.rows import ArmRow, StudyRow, TrialRow
from hinet_search.storage.upsert import insert_if_absent, upsert

_FOUND_OF_ARM = ("fixed_json", "importances_json")  # what launches add to an arm


@with_patience("acquire_lease", "create_study")
@dataclass(frozen=True)
class StudyStore:
    """One study in one database. What a locked or lost database means to every method is for `patience` to say.

    Who has the lease is `leased`: its writes renew the lease, and are StudyConflict when another process took it over.
    """

    database: Database
    study: str
    holder: Holder = field(default_factory=this_process)
    patience: Patience | Callable[[Callable[[], Any]], Any] = impatient
    leased: bool = False

    def acquire_lease(self) -> None:
        """Makes this process the study's only writer; StudyConflict names the live one when there is one."""
        lease.acquire(self.database, self.study, self.holder)

    def refuse_held(self) -> None:
        """StudyConflict names the process that runs the study, when one does."""
        lease.refuse_held(self.database, self.study, self.holder)

    def renew_lease(self) -> None:
        """To be called every few seconds; StudyConflict when another process took the study over."""
        with self.database.writing() as connection:
            lease.renew(connection, self.study, self.holder)

    def release_lease(self) -> None:
        """Lets the next coordinator in at once."""
        lease.release(self.database, self.study, self.holder)

    def create_study(self, study: StudyRow, arms: Sequence[ArmRow]) -> None:
        """Writes the study and its arms, in the order of the report; StudyConflict when it exists."""
        assert study.name == self.study, "a store writes its own study"
        with self._writing() as connection:
            if not insert_if_absent(connection, tables.study, columns.of_study(study)):
                raise StudyConflict(f"study '{self.study}' exists already in {self.database.url}")
            for position, arm in enumerate(arms):
                connection.execute(tables.arm.insert().values(columns.of_arm(self.study, position, arm)))

    def load_study(self) -> StudyRow | None:
        """The study as created and last updated, or None."""
        with self.database.reading() as connection:
            found = connection.execute(select(tables.study).where(tables.study.c.name == self.study)).one_or_none()
        return None if found is None else columns.to_study(found)

    def continue_study(
        self, study: StudyRow, arms: Sequence[ArmRow], spaces: Mapping[str, Mapping[str, BaseDistribution]]
    ) -> None:
        """Writes what may differ from one launch to the next: budget, slots, command, versions, limits, the file's text.

        Also further arms and, in `spaces` by arm and parameter, distributions that are wider or in another order.
        """
        row = columns.of_study(study)
        kept = ("name", "uuid", "objective", "maximize", "seed", "data_json", "started", "seconds")
        with self._writing() as connection:
            for position, arm in enumerate(arms):
                upsert(connection, tables.arm, columns.of_arm(self.study, position, arm), keep=_FOUND_OF_ARM)
                redistribute(connection, optuna_name(self.study, arm.name), spaces[arm.name])
            self._touch(connection, {key: value for key, value in row.items() if key not in (*kept, "updated")})

    def set_state(self, state: str, seconds: float | None = None) -> None:
        """Sets running, stopped or done, and the seconds spent when given."""
        changed: dict[str, object] = {"state": state} if seconds is None else {"state": state, "seconds": seconds}
        with self._writing() as connection:
            self._touch(connection, changed)

    def set_verdict(self, sentence: str) -> None:
        """Keeps what came out, for lists of studies; the next launch of the study forgets it."""
        ours = tables.study.c.name == self.study
        with self._writing() as connection:
            connection.execute(update(tables.study).where(ours).values(verdict=sentence))

    def optuna_study(self, arm: str, *, maximize: bool) -> optuna.Study:
        """The Optuna study of one arm, made or loaded; StudyConflict when it has the other direction."""
        name = optuna_name(self.study, arm)
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        with self.database.guarded():
            study = optuna.create_study(
                storage=self.database.storage, study_name=name, direction=direction, load_if_exists=True
            )
            if study.direction is not direction:  # Optuna loads it without a word
                raise StudyConflict(
                    f"{name} must {direction.name.lower()}, but exists to {study.direction.name.lower()}"
                )
            with warnings.catch_warnings():
                # Experimental in Optuna, but a plain study attribute that the dashboard has read since 2023.
                warnings.simplefilter("ignore", ExperimentalWarning)
                if study.metric_names is None:
                    study.set_metric_names([self._objective()])
        return study

    def optuna_copy(self, arm: str, *, maximize: bool) -> optuna.Study:
        """The Optuna study of one arm with its trials, in memory, where asking and telling costs no transaction.

        What becomes of its trials is for `record_trial` and `record_evaluation` to keep. StudyConflict when somebody
        deleted those that Optuna had.
        """
        stored, memory = self.optuna_study(arm, maximize=maximize), optuna.storages.InMemoryStorage()
        with self.database.guarded():
            if self.trial_rows(arm) and not stored.get_trials(deepcopy=False):
                raise deleted(stored.study_name)
        with self.database.guarded():
            optuna.copy_study(from_study_name=stored.study_name, from_storage=self.database.storage, to_storage=memory)
        return optuna.load_study(study_name=stored.study_name, storage=memory)

    def leave_note(self, arm: str, text: str) -> None:
        """Leaves a text on the Optuna study of an arm, for its dashboard."""
        from hinet_search.storage.notes import leave_note  # here, for Optuna's dashboard takes a while to import

        with self.database.guarded():
            leave_note(optuna.load_study(study_name=optuna_name(self.study, arm), storage=self.database.storage), text)

    def finalists(self) -> Mapping[str, tuple[FinalistRecord, ...]]:
        """The finalists of every arm that has some."""
        return load_finalists(self.database, self.study)

    def record_trial(self, arm: str, trial: TrialRow, of_optuna: FrozenTrial | None = None) -> None:
        """Writes a trial, ours and Optuna's (which stays as it is where none is given), or nothing of it.

        Once when it is drawn and again when it ends; a row of an older attempt is dropped.
        """
        with self._writing() as connection:
            is_current = upsert(connection, tables.trial, columns.of_trial(self.study, arm, trial))
            if is_current and of_optuna is not None:
                write_trial(connection, optuna_name(self.study, arm), of_optuna)
            self._touch(connection)

    def trial_rows(self, arm: str) -> tuple[TrialRow, ...]:
        """The rows of an arm's trials, by number."""
        rows = select(tables.trial).where(tables.trial.c.study == self.study, tables.trial.c.arm == arm)
        with self.database.reading() as connection:
            return tuple(columns.to_trial(row) for row in connection.execute(rows.order_by(tables.trial.c.number)))

    def record_evaluation(
        self,
        arm: str,
        number: int,
        attempt: int,
        evaluation: EvaluationRecord,
        of_optuna: FrozenTrial | None = None,
    ) -> None:
        """Writes one step of one trial, or the same step again; one of an older attempt is dropped.

        Where Optuna's trial is given, which has heard of it, its last report is written too; Optuna counts steps its own way.
        """
        row = columns.of_evaluation((self.study, arm, number), attempt, evaluation)
        with self._writing() as connection:
            is_current = upsert(connection, tables.evaluation, row)
            if is_current and of_optuna is not None:
                write_report(connection, optuna_name(self.study, arm), of_optuna, max(of_optuna.intermediate_values))

    def record_finalist(
        self, arm: str, trial_number: int, parameters: Mapping[str, Scalar], run: FinalistRun, *, is_default: bool
    ) -> None:
        """Writes one seed of a finalist. Written again it keeps `chosen`, and its test cells when the run has none."""
        row = columns.of_finalist((self.study, arm, trial_number), parameters, run, is_default=is_default)
        keep = ["chosen"] if run.test_cells is not None else ["chosen", "test_cells_json"]
        with self._writing() as connection:
            upsert(connection, tables.finalist, row, keep)
            self._touch(connection)

    def mark_chosen(self, arm: str, trial_number: int) -> None:
        """Makes this the chosen finalist of its arm, and every other one not."""
        table = tables.finalist
        of_arm = and_(table.c.study == self.study, table.c.arm == arm)
        with self._writing() as connection:
            connection.execute(update(table).where(of_arm).values(chosen=table.c.trial_number == trial_number))
            self._touch(connection)

    def set_test_cells(self, arm: str, trial_number: int, seed: int, cells: Sequence[CellValue]) -> None:
        """Writes what a recorded seed of a finalist reached on test. Record the opening first."""
        table = tables.finalist
        row = and_(
            table.c.study == self.study,
            table.c.arm == arm,
            table.c.trial_number == trial_number,
            table.c.seed == seed,
        )
        cells_json = to_json(columns.CELLS, tuple(cells))
        with self._writing() as connection:
            written = connection.execute(update(table).where(row).values(test_cells_json=cells_json)).rowcount
            assert written == 1, "a finalist is recorded before it is opened"
            self._touch(connection)

    def record_summary(self, arm: str, trial_number: int, summary: FinalistSummary) -> None:
        """Writes what all seeds of an opened finalist give together."""
        table = tables.finalist
        of_finalist = and_(table.c.study == self.study, table.c.arm == arm, table.c.trial_number == trial_number)
        value = to_json(FinalistSummary, summary)
        with self._writing() as connection:
            connection.execute(update(table).where(of_finalist).values(summary_json=value))
            self._touch(connection)

    def fixed_of(self, arm: str) -> Mapping[str, Scalar]:
        """What is fixed in an arm, with what was fixed while it ran."""
        of_arm = select(tables.arm.c.fixed_json).where(tables.arm.c.study == self.study, tables.arm.c.arm == arm)
        with self.database.reading() as connection:
            found: Mapping[str, Scalar] = from_json(columns.PARAMETERS, connection.execute(of_arm).scalar_one())
        return found

    def record_fixed(self, arm: str, fixed: Mapping[str, Scalar]) -> None:
        """Fixes further names in an arm, for good."""
        of_arm = and_(tables.arm.c.study == self.study, tables.arm.c.arm == arm)
        value = to_json(columns.PARAMETERS, {**self.fixed_of(arm), **fixed})
        with self._writing() as connection:
            connection.execute(update(tables.arm).where(of_arm).values(fixed_json=value))

    def record_importances(self, arm: str, importances: Mapping[str, float]) -> None:
        """Writes the shares of an arm's parameters (they sum to 1)."""
        of_arm = and_(tables.arm.c.study == self.study, tables.arm.c.arm == arm)
        value = to_json(columns.IMPORTANCES, importances)
        with self._writing() as connection:
            connection.execute(update(tables.arm).where(of_arm).values(importances_json=value))

    def record_opening(self, fingerprint: str, arm: str, trial_number: int, seeds: Sequence[int]) -> None:
        """Notes that the test split of this data is looked at, before it is. Openings outlive the study."""
        with self._writing() as connection:
            note_opening(connection, fingerprint, (self.study, arm, trial_number), seeds)

    def opened_seeds(self, fingerprint: str, arm: str, trial_number: int) -> set[int]:
        """Seeds of a finalist whose opening on the test split of this data was noted."""
        with self.database.reading() as connection:
            return seeds_of_openings(connection, fingerprint, (self.study, arm, trial_number))

    def openings(self, fingerprint: str) -> int:
        """How often the test split of this data was opened, by all studies of this database."""
        with self.database.reading() as connection:
            return count_openings(connection, fingerprint)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.database.writing() as connection:
            if self.leased:
                lease.renew(connection, self.study, self.holder)
            yield connection

    def _objective(self) -> str:
        found = self.load_study()
        assert found is not None, "create_study comes first"
        return found.objective

    def _touch(self, connection: Connection, changed: Mapping[str, object] | None = None) -> None:
        row = update(tables.study).where(tables.study.c.name == self.study)
        connection.execute(row.values(updated=utc_now(), **(changed or {})))
