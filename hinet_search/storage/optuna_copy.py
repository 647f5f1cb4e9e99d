"""Optuna copy: the trials of an arm in Optuna's form, and a copy of them in Optuna's storage.

The copy is for optuna-dashboard and Optuna itself.

Our rows are the truth: no result is read from a copy. All writes use Optuna's public interface and
add what the copy lacks. If that is not enough, because a range is wider now or another program
wrote there, the copy is deleted and made again. A process that dies in between leaves an incomplete
copy, which the next one completes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import select

from hinet_search.common import quiet
from hinet_search.results.records import Cost, EvaluationRecord, TrialRecord
from hinet_search.storage import tables
from hinet_search.storage.damage import row_of
from hinet_search.storage.engine import Database

CALL_EVERY = 100  # trials, after which `alive` is called
STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def all_as_optuna(
    rows: Sequence[TrialRecord],
    evaluations: Mapping[int, Sequence[EvaluationRecord]],
    distributions: Mapping[str, BaseDistribution],
    step_of: Callable[[EvaluationRecord], int],
    first: int = 0,
) -> list[FrozenTrial]:
    """Convert the trials of an arm, numbered from `first`.

    `step_of` gives Optuna's step of an evaluation; the first evaluation of a step counts.
    """
    trials = []
    for number, row in enumerate(rows, start=first):
        reported: dict[int, float] = {}
        for evaluation in evaluations.get(row.number, ()):
            reported.setdefault(step_of(evaluation), evaluation.objective)
        with row_of("hs_trial", number=row.number):
            if row.number != number:
                raise ValueError(
                    f"trials must be numbered from 0 without a gap, and {number} is missing"
                )
        trials.append(_as_optuna(row, reported, distributions))
    return trials


def _as_optuna(
    row: TrialRecord, reported: Mapping[int, float], distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    """Convert a trial with values by step; DamagedRow if a parameter does not fit the space."""
    # Optuna gives a pruned trial its last reported value.
    last = reported[max(reported)] if reported else math.nan
    with row_of("hs_trial", number=row.number):
        trial = create_trial(
            state=STATES[row.state],
            value=last if row.state == "pruned" and not math.isnan(last) else row.value,
            params=dict(row.parameters),
            distributions={name: distributions[name] for name in row.parameters},
            intermediate_values=dict(reported),
            user_attrs=_costs(row.cost),
        )
        trial.number = row.number
        trial.datetime_start = _local(row.started)
        trial.datetime_complete = _local(row.finished)
    return trial


def _costs(cost: Cost | None) -> dict[str, float]:
    """Return the costs of an ended training, as Optuna's dashboard shows them."""
    if cost is None:
        return {}
    costs: dict[str, float] = {
        "parameters": cost.parameters,
        "parameters without embeddings": cost.dense_parameters,
        "FLOPs per row": cost.flops_per_row,
        "seconds": round(cost.seconds, 1),
    }
    if cost.rows_per_second > 0:
        costs["ms per 1,000 training rows"] = round(1e6 / cost.rows_per_second, 3)
    return costs


def direction_of(maximize: bool) -> StudyDirection:  # noqa: FBT001  its name says it
    """Return Optuna's name of the direction."""
    return StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE


def _local(moment: str) -> datetime | None:
    """Convert a time to Optuna's form: naive, in the time zone of this process."""
    return datetime.fromisoformat(moment).astimezone().replace(tzinfo=None) if moment else None


def optuna_name(study: str, arm: str) -> str:
    """Return the name of an arm's Optuna study. No study name contains a slash."""
    return f"{study}/{arm}"


def optuna_numbers(database: Database, study: str) -> Mapping[str, int]:
    """Return Optuna's key of each arm's copy, by arm; an arm without a copy has none."""
    of_study = select(tables.arm.c.arm).where(tables.arm.c.study == study)
    with database.reading() as connection:
        arms = connection.execute(of_study).scalars().all()
    numbers: dict[str, int] = {}
    with database.guarded():
        for arm in arms:
            with suppress(KeyError):
                name = optuna_name(study, arm)
                numbers[arm] = database.storage.get_study_id_from_name(name)
    return numbers


@dataclass(frozen=True)
class OptunaCopy:
    """The copy of one arm. `alive` is called before the first write, and regularly from then on.

    `aucs` returns the AUC by cell of an ended trial.
    """

    storage: BaseStorage
    name: str
    maximize: bool
    metric: str
    alive: Callable[[], None]
    aucs: Callable[[FrozenTrial], Mapping[str, float]]

    def update(self, ours: Sequence[FrozenTrial]) -> bool:
        """Add what the copy lacks of our trials; they are all from the number of the first on.

        Return False if additions cannot make the copy like them: then it must be made again.
        """
        self.alive()
        first = ours[0].number
        study_id = None
        with suppress(KeyError):
            study_id = self.storage.get_study_id_from_name(self.name)
        if study_id is None and first > 0:  # it was deleted
            return False
        if study_id is None:
            study = optuna.create_study(
                storage=self.storage, study_name=self.name, direction=direction_of(self.maximize)
            )
            # Experimental in Optuna, but stored as a study attribute that the dashboard reads.
            with quiet.without(ExperimentalWarning):
                study.set_metric_names([self.metric])
            study_id = self.storage.get_study_id_from_name(self.name)
        theirs = self._trials(study_id, first)
        if not self._is_of_our_arm() or not _is_behind(theirs, ours):
            return False
        try:
            return self._add(study_id, ours, theirs)
        except KeyError:  # it was deleted meanwhile
            return False

    def _add(
        self, study_id: int, ours: Sequence[FrozenTrial], theirs: Sequence[FrozenTrial]
    ) -> bool:
        """Return False if Optuna added a trial twice, as it may if a commit seems to fail."""
        for position, our_trial in enumerate(ours):
            if position % CALL_EVERY == CALL_EVERY - 1:
                self.alive()
            if position >= len(theirs):
                our_trial.user_attrs = self._attributes(our_trial)
                trial_id = self.storage.create_new_trial(study_id, our_trial)
                if self.storage.get_trial_number_from_id(trial_id) != our_trial.number:
                    return False
            elif not theirs[position].state.is_finished():
                self._go_on(study_id, our_trial, theirs[position])
        return True

    def _attributes(self, ours: FrozenTrial) -> dict[str, object]:
        attributes = dict(ours.user_attrs)
        if ours.state.is_finished() and (aucs := self.aucs(ours)):
            attributes["AUC by cell"] = aucs  # one: of a running trial each is a transaction
        return attributes

    def delete(self) -> None:
        """Delete the copy, if there is one."""
        with suppress(KeyError):
            self.storage.delete_study(self.storage.get_study_id_from_name(self.name))

    def _trials(self, study_id: int, first: int) -> list[FrozenTrial]:
        """Read the copy's trials from a number on; DamagedRow when one cannot be read."""
        with row_of("trials", study_name=self.name):
            if first == 0:
                return self.storage.get_all_trials(study_id, deepcopy=False)
            trials: list[FrozenTrial] = []
            with suppress(KeyError):  # after the last one
                while True:
                    trial_id = self._trial_id(study_id, first + len(trials))
                    trials.append(self.storage.get_trial(trial_id))
            return trials

    def _trial_id(self, study_id: int, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def _is_of_our_arm(self) -> bool:
        """Whether it has our direction and metric; DamagedRow when they cannot be read."""
        with row_of("study_directions", study_name=self.name):
            study = optuna.load_study(study_name=self.name, storage=self.storage)
            is_our_direction = study.directions == [direction_of(self.maximize)]
            return is_our_direction and study.metric_names == [self.metric]

    def _go_on(self, study_id: int, ours: FrozenTrial, theirs: FrozenTrial) -> None:
        """Add to a running trial its values and its end."""
        trial_id = self._trial_id(study_id, ours.number)
        with suppress(UpdateFinishedTrialError):  # ended in the dashboard: it differs next time
            for step, value in ours.intermediate_values.items():
                if theirs.intermediate_values.get(step) != value:
                    self.storage.set_trial_intermediate_value(trial_id, step, value)
            for name, known in self._attributes(ours).items():
                self.storage.set_trial_user_attr(trial_id, name, known)
            if ours.state.is_finished():
                values = None if ours.value is None else [ours.value]
                self.storage.set_trial_state_values(trial_id, ours.state, values)


def _is_behind(theirs: Sequence[FrozenTrial], ours: Sequence[FrozenTrial]) -> bool:
    """Whether the copy's trials are the first of ours, in the same or an earlier state."""
    same = map(_is_earlier, theirs, ours)
    return len(theirs) <= len(ours) and all(same)


def _is_earlier(theirs: FrozenTrial, ours: FrozenTrial) -> bool:
    """Whether Optuna's trial is ours in the same or an earlier state; ended trials never change."""
    if theirs.number != ours.number or theirs.params != ours.params:
        return False
    if theirs.distributions != ours.distributions:
        return False
    if theirs.state is TrialState.RUNNING:
        return True
    is_complete = ours.state is TrialState.COMPLETE
    return theirs.state is ours.state and (not is_complete or theirs.value == ours.value)
