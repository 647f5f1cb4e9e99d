"""Choice: what of a study to export, an arm, a student or the ensemble, and with which seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hinet_search.common.errors import ConfigurationError, StudyConflict, did_you_mean
from hinet_search.results.best_model import is_fully_tested
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.ensemble_records import (
    ENSEMBLE,
    EnsembleRecord,
    Member,
    RunKey,
    Scale,
)
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.shipping import shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict

Seeds = Literal["best", "all"]
Weights = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class GraphChoice:
    """The formats of graphs to add to an export, if any, and the weights of their embeddings."""

    formats: tuple[str, ...] = ()
    weights: Weights = "fp32"


@dataclass(frozen=True)
class ExportChoice:
    """What to export: the members of an average, of `scale`, and why if nothing was named.

    `name` is that of an arm, a student or the ensemble, whose members are runs of any of them.
    `calibration` is that of the average; None if the study has none for just these members. What
    is not opened on test has no test metrics.
    """

    name: str
    members: tuple[Member, ...]
    scale: Scale
    why: str
    is_ensemble: bool = False
    is_tested: bool = True
    calibration: Calibration | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed of a member, once."""
        return tuple(dict.fromkeys(member.run.seed for member in self.members))

    @property
    def trial(self) -> int | None:
        """The trial of the exported finalist; None for the ensemble."""
        return None if self.is_ensemble else self.members[0].run.trial_number

    @property
    def title(self) -> str:
        """`trial 12`, or `8 members`."""
        return f"{len(self.members)} members" if self.is_ensemble else f"trial {self.trial}"


def choose(record: StudyRecord, name: str | None, seeds: Seeds) -> ExportChoice:
    """Choose what to export: the best seed or all seeds of a finalist, or the ensemble.

    It is the arm, student or `ensemble` of that name, else what the study says to ship.
    Errors: ConfigurationError for an unknown name, and for all seeds of the ensemble; StudyConflict
    with nothing to export yet, or if no model meets the serving limits.
    """
    named = None if name is None else _named(record, name)
    refuse_undone(record)
    target, why = (named, "") if named is not None else _shipped(record)
    if isinstance(target, EnsembleRecord):
        return _whole_ensemble(record, target, seeds, why)
    return _finalist(record, target, seeds, why)


def refuse_undone(record: StudyRecord) -> None:
    """Raise StudyConflict unless the study is done."""
    if record.state != "done":
        raise StudyConflict(
            f"study '{record.name}' must be done before it is exported, it is {record.state}",
            remedy=record.command or f"hinet-search launch {record.name}",
        )


def unknown_arm(record: StudyRecord, name: str, known: Sequence[str]) -> ConfigurationError:
    """Return the error for a name that nothing in the study has."""
    return ConfigurationError(
        f"study '{record.name}' has no arm '{name}', "
        f"known: {', '.join(known)}{did_you_mean(name, known)}"
    )


def _named(record: StudyRecord, name: str) -> ArmRecord | EnsembleRecord:
    """Return the arm, student or ensemble of that name; an arm named `ensemble` comes first."""
    singles = {single.name: single for single in record.arms_and_students}
    if name in singles:
        return singles[name]
    ensemble = record.ensemble(ENSEMBLE)
    if name == ENSEMBLE and ensemble is not None:
        return ensemble
    if name == ENSEMBLE:
        raise ConfigurationError(
            f"study '{record.name}' has no ensemble, known: {', '.join(singles)}",
            remedy="set `ensemble: true` in its file and launch it again",
        )
    known = [*singles, *([ENSEMBLE] if ensemble is not None else [])]
    raise unknown_arm(record, name, known)


def _shipped(record: StudyRecord) -> tuple[ArmRecord | EnsembleRecord, str]:
    """Return what the study says to ship, and why."""
    shipped = shipment(record, verdict(record))
    singles = record.arms_and_students
    if not any(map(is_fully_tested, singles)):
        raise _nothing_opened(f"study '{record.name}'")
    if shipped.taken is None:
        raise StudyConflict(
            f"study '{record.name}' must have something to ship, but has not: {shipped.why}",
            remedy="raise the limits in `serving` of its file and launch it again, "
            f"or name what to export all the same: hinet-search export {record.name}/NAME",
        )
    ensemble = record.ensemble(ENSEMBLE)
    if shipped.taken.kind == "ensemble" and ensemble is not None:
        return ensemble, shipped.why
    arm = next(single for single in singles if single.name == shipped.taken.name)
    return arm, shipped.why


def _finalist(record: StudyRecord, arm: ArmRecord, seeds: Seeds, why: str) -> ExportChoice:
    """Return the chosen finalist of an arm or student; several seeds have equal weights."""
    finalist = chosen(arm) if is_fully_tested(arm) else None
    if finalist is None:
        raise _nothing_opened(f"arm '{arm.name}' of study '{record.name}'")
    return of_finalist(record, arm, finalist, seeds, why)


def of_finalist(
    record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord, seeds: Seeds, why: str
) -> ExportChoice:
    """Return the best seed of a finalist, or all."""
    runs = finalist.runs
    if seeds == "best":
        best = max if record.maximize else min
        runs = (best(runs, key=lambda run: run.valid_objective),)
    members = tuple(
        Member(RunKey(arm.name, finalist.trial_number, run.seed), 1 / len(runs)) for run in runs
    )
    summary = finalist.summary if seeds == "best" else None
    return ExportChoice(
        arm.name,
        members,
        "probabilities",
        why,
        is_tested=all(run.test_cells is not None for run in runs),
        calibration=summary.calibration if summary else None,
    )


def _whole_ensemble(
    record: StudyRecord, ensemble: EnsembleRecord, seeds: Seeds, why: str
) -> ExportChoice:
    """Return all members of the ensemble, those of one finalist side by side."""
    if seeds == "all":
        raise ConfigurationError(
            f"study '{record.name}' exports its ensemble, whose seeds are given by its members, "
            "but all seeds were asked for",
            remedy="leave out --seeds, or name an arm",
        )
    if ensemble.test_cells is None:
        raise StudyConflict(
            f"the ensemble of study '{record.name}' must have been opened on test, but was not",
            remedy="launch the study again, which opens it",
        )
    finalists = [(member.run.arm, member.run.trial_number) for member in ensemble.members]
    members = sorted(
        ensemble.members,
        key=lambda member: finalists.index((member.run.arm, member.run.trial_number)),
    )
    return ExportChoice(
        ENSEMBLE,
        tuple(members),
        ensemble.scale,
        why,
        is_ensemble=True,
        calibration=ensemble.calibration,
    )


def _nothing_opened(what: str) -> StudyConflict:
    return StudyConflict(
        f"{what} must have a finalist that was opened on test, but has none",
        remedy="see the failures of its finalists in the report, then launch the study again",
    )
