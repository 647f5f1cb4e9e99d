"""Write trials: copy an arm's rows to Optuna's storage, for optuna-dashboard.

All writes use Optuna's public interface. Our row is always written first, in a transaction that
renews the lease, and Optuna's right after. A process that dies in between leaves an incomplete
copy, and the next launch completes it (`mend`). A coordinator that loses its lease in between makes
one more write, which changes nothing or is repaired too. No result is ever read from the copy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hinet_search.common import quiet
from hinet_search.common.errors import StudyConflict
from hinet_search.common.retry import Retry, once, with_retries
from hinet_search.storage.damage import row_of
from hinet_search.storage.engine import Database
from hinet_search.storage.optuna.read_trials import as_optuna, direction_of
from hinet_search.storage.rows import TrialRow


def deleted(name: str) -> StudyConflict:
    """Return the error for an arm whose Optuna study was deleted while our rows exist."""
    return StudyConflict(
        f"'{name}' was deleted in optuna-dashboard or by Optuna, "
        "and what else there is of the study was not",
        remedy="it cannot resume: give the study another name (key 'name')",
    )


@with_retries()
@dataclass(frozen=True)
class OptunaArm:
    """The Optuna study of one arm. Every write may be repeated."""

    database: Database
    name: str
    study_id: int
    distributions: Mapping[str, BaseDistribution]
    running: dict[int, int]  # Optuna's key of each running trial, by number
    retry: Retry | Callable[[Callable[[], Any]], Any] = field(default=once)

    def write(self, row: TrialRow, reported: Mapping[int, float]) -> bool:
        """Make Optuna's trial like ours: create it when it is missing, end it when ours has ended.

        Return False where Optuna has another trial under that number, which `mend` repairs.
        """
        with self._writing() as storage:
            trial = as_optuna(row, reported, self.distributions)
            if trial.number not in self.running:
                trial_id = self._begun(storage, trial)
                if trial_id is None:
                    return False
                self.running[trial.number] = trial_id
            if trial.state.is_finished():
                _end(storage, self.running[trial.number], trial)
                del self.running[trial.number]
        return True

    def report(self, number: int, step: int, value: float, notes: Mapping[str, Any]) -> None:
        """Write a value of a running trial, and the pruner's notes on it."""
        with self._writing() as storage, suppress(UpdateFinishedTrialError):
            for key, note in notes.items():
                storage.set_trial_system_attr(self.running[number], key, note)
            storage.set_trial_intermediate_value(self.running[number], step, value)

    def _begun(self, storage: BaseStorage, trial: FrozenTrial) -> int | None:
        """Return Optuna's key of the trial; create the trial unless an earlier write succeeded.

        None when Optuna has another trial under that number.
        """
        with suppress(KeyError):
            trial_id = storage.get_trial_id_from_study_id_trial_number(self.study_id, trial.number)
            return trial_id if _is_behind(storage.get_trial(trial_id), trial) else None
        # Optuna retries this itself, and may create the trial twice.
        trial_id = storage.create_new_trial(self.study_id, trial)
        with suppress(KeyError):
            number = trial.number
            stored_id = storage.get_trial_id_from_study_id_trial_number(self.study_id, number)
            return trial_id if stored_id == trial_id else None
        return None

    @contextmanager
    def _writing(self) -> Iterator[BaseStorage]:
        """Yield Optuna's storage; turn its KeyError for a missing trial or study into `deleted`."""
        with self.database.guarded():
            try:
                yield self.database.storage
            except KeyError as error:
                raise deleted(self.name) from error


@dataclass(frozen=True)
class OptunaCopy:
    """An arm in Optuna's storage, which a launch makes like our rows before it resumes."""

    storage: BaseStorage
    name: str
    maximize: bool
    metric: str

    def mend(
        self,
        ours: Sequence[FrozenTrial],
        known: int | None,
        remember: Callable[[int | None], None],
        alive: Callable[[], None],
    ) -> tuple[int, dict[int, int]]:
        """Make the copy like our trials; return its key, and the keys of running trials by number.

        `known` is the key in our row of the arm, None until the copy is complete; `remember` writes
        it there. Where additions cannot repair the copy, because a range is wider now or another
        program wrote there, make it again. Call `alive` regularly. StudyConflict when the copy was
        deleted.
        """
        study_id = self._study_id()
        if known not in (None, study_id):
            raise deleted(self.name)
        theirs = [] if study_id is None else self._trials(study_id)
        if study_id is not None and not _take_notes(ours, theirs):
            remember(None)
            self.storage.delete_study(study_id)
            study_id, theirs = None, []
        if study_id is None:
            study_id = self.storage.create_new_study(
                [direction_of(maximize=self.maximize)], self.name
            )
        running = self._go_on(study_id, ours, theirs, alive)
        self._add(study_id, ours[len(theirs) :], running, alive)
        if known != study_id:
            self._name_metric()
            remember(study_id)
        return study_id, running

    def _go_on(
        self,
        study_id: int,
        ours: Sequence[FrozenTrial],
        theirs: Sequence[FrozenTrial],
        alive: Callable[[], None],
    ) -> dict[int, int]:
        """Complete the copy's running trials; return Optuna's keys of those that still run."""
        running = {}
        for our_trial, their_trial in zip(ours, theirs, strict=False):
            if their_trial.state.is_finished():
                continue
            alive()
            trial_id = self.storage.get_trial_id_from_study_id_trial_number(
                study_id, our_trial.number
            )
            values = our_trial.intermediate_values
            for step in values.keys() - their_trial.intermediate_values.keys():
                self.storage.set_trial_intermediate_value(trial_id, step, values[step])
            if our_trial.state.is_finished():
                _end(self.storage, trial_id, our_trial)
            else:
                running[our_trial.number] = trial_id
        return running

    def _add(
        self,
        study_id: int,
        missing: Sequence[FrozenTrial],
        running: dict[int, int],
        alive: Callable[[], None],
    ) -> None:
        """Add the trials that the copy lacks."""
        for count, our_trial in enumerate(missing):
            if count % 100 == 0:
                alive()
            trial_id = self.storage.create_new_trial(study_id, our_trial)
            if not our_trial.state.is_finished():
                running[our_trial.number] = trial_id

    def _study_id(self) -> int | None:
        with suppress(KeyError):
            return self.storage.get_study_id_from_name(self.name)
        return None

    def _name_metric(self) -> None:
        study = optuna.load_study(study_name=self.name, storage=self.storage)
        # Experimental in Optuna, but stored as a study attribute that the dashboard reads.
        with quiet.without(ExperimentalWarning):
            study.set_metric_names([self.metric])

    def _trials(self, study_id: int) -> list[FrozenTrial]:
        """Read the copy's trials.

        Errors: StudyConflict when it has the other direction, DamagedRow when it cannot be read.
        """
        wanted = direction_of(maximize=self.maximize)
        with row_of("study_directions", study_name=self.name):
            (direction,) = self.storage.get_study_directions(study_id)
        if direction is not wanted:
            raise StudyConflict(
                f"{self.name} must {wanted.name.lower()}, but exists to {direction.name.lower()}"
            )
        with row_of("trials", study_name=self.name):
            return self.storage.get_all_trials(study_id, deepcopy=False)


def _take_notes(ours: Sequence[FrozenTrial], theirs: Sequence[FrozenTrial]) -> bool:
    """Copy the notes of samplers and pruners to our trials.

    Return whether additions can make Optuna's trials like ours.
    """
    pairs = list(zip(ours, theirs, strict=False))
    for our_trial, their_trial in pairs:
        if their_trial.params == our_trial.params:
            our_trial.system_attrs = their_trial.system_attrs
    return len(theirs) <= len(ours) and all(
        _is_behind(their_trial, our_trial) for our_trial, their_trial in pairs
    )


def _is_behind(theirs: FrozenTrial, ours: FrozenTrial) -> bool:
    """Whether Optuna's trial is ours in the same or an earlier state; ended trials never change."""
    drawn = [(trial.number, trial.params, trial.distributions) for trial in (theirs, ours)]
    if drawn[0] != drawn[1]:
        return False
    if theirs.state is TrialState.RUNNING:
        return True
    return theirs.state is ours.state and (
        theirs.state is not TrialState.COMPLETE or theirs.value == ours.value
    )


def _end(storage: BaseStorage, trial_id: int, trial: FrozenTrial) -> None:
    """End a trial; do nothing when it has ended, by this write or by another coordinator."""
    with suppress(UpdateFinishedTrialError):
        storage.set_trial_state_values(
            trial_id, trial.state, None if trial.value is None else [trial.value]
        )
