"""Choice: what of a study to export, an arm, a student or the ensemble, and with which seeds.

`choose_at` takes the best finalist on validation that a limit admits: of a cost, such as the time
to score 100 rows, or of a metric. One that is not its arm's chosen one is not opened on test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from math import isfinite, nan
from typing import Literal

from hinet_search.common.errors import (
    ConfigurationError,
    EnvironmentFault,
    StudyConflict,
    did_you_mean,
)
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord, Member, RunKey, Scale
from hinet_search.results.finalist_values import chosen, is_fully_tested
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import (
    LATENCY,
    Contender,
    Objectives,
    finalists_of,
    is_maximized,
    refuse_unknown,
)
from hinet_search.results.verdict import verdict

Seeds = Literal["best", "all"]
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True)
class ExportChoice:
    """What to export: the members of an average, of `scale`, and why if nothing was named.

    `name` names an arm, a student or the ensemble; members of an ensemble are runs of any arm.
    `calibration` is of the average; None if the study has none for just these members. What
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
    def runs(self) -> tuple[RunKey, ...]:
        """The runs of all members."""
        return tuple(member.run for member in self.members)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed of a member, once."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

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
    target = None if name is None else _named(record, name)
    _refuse_undone(record)
    why = ""
    if target is None:
        target, why = _shipped(record)
    if isinstance(target, EnsembleRecord):
        return _whole_ensemble(record, target, seeds, why)
    finalist = chosen(target)
    if finalist is None or not is_fully_tested(target):
        raise _nothing_opened(f"arm '{target.name}' of study '{record.name}'")
    return _of_finalist(record, target, finalist, seeds, why)


def check_graph(choice: ExportChoice) -> None:
    """Refuse an ONNX graph of several models, and one that cannot be written here.

    Errors: ConfigurationError, and EnvironmentFault for missing packages.
    """
    if len(choice.members) > 1:
        remedy = "name an arm, STUDY/ARM" if choice.is_ensemble else "take --seeds best"
        raise ConfigurationError(
            f"--format onnx takes one model, not an ensemble of {len(choice.members)}",
            remedy=remedy,
        )
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise EnvironmentFault(
            f"--format onnx needs {', '.join(ONNX_PACKAGES)}, "
            f"but {', '.join(missing)} cannot be imported",
            remedy="pip install '.[onnx]' in a clone of hinet-search",
        )


def _refuse_undone(record: StudyRecord) -> None:
    """Raise StudyConflict unless the study is done."""
    if record.state != "done":
        raise StudyConflict(
            f"study '{record.name}' must be done before it is exported, it is {record.state}",
            remedy=record.command or f"hinet-search launch {record.name}",
        )


def _unknown_arm(record: StudyRecord, name: str, known: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"study '{record.name}' has no arm '{name}', "
        f"known: {', '.join(known)}{did_you_mean(name, known)}"
    )


def _named(record: StudyRecord, name: str) -> ArmRecord | EnsembleRecord:
    """Return the arm, student or ensemble of that name; an arm named `ensemble` comes first."""
    known: dict[str, ArmRecord | EnsembleRecord] = {}
    for single in record.arms_and_students:
        known[single.name] = single
    ensemble = record.ensemble(ENSEMBLE)
    if ensemble is not None:
        known.setdefault(ENSEMBLE, ensemble)
    if name in known:
        return known[name]
    if name == ENSEMBLE:
        raise ConfigurationError(
            f"study '{record.name}' has no ensemble, known: {', '.join(known)}",
            remedy="set `ensemble: true` in its file and launch it again",
        )
    raise _unknown_arm(record, name, [*known])


def _shipped(record: StudyRecord) -> tuple[ArmRecord | EnsembleRecord, str]:
    """Return what the study says to ship, and why."""
    shipped = decision(record, verdict(record))
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


def _of_finalist(
    record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord, seeds: Seeds, why: str
) -> ExportChoice:
    """The best seed of a finalist, or all with equal weights."""
    runs = finalist.runs
    if seeds == "best":
        best = max if record.maximize else min
        runs = (best(runs, key=lambda run: run.valid_objective),)
    members = tuple(
        Member(RunKey(arm.name, finalist.trial_number, run.seed), 1 / len(runs)) for run in runs
    )
    calibration = None
    if seeds == "best" and finalist.summary is not None:
        calibration = finalist.summary.calibration
    return ExportChoice(
        arm.name,
        members,
        "probabilities",
        why,
        is_tested=all(run.test_cells is not None for run in runs),
        calibration=calibration,
    )


def _whole_ensemble(
    record: StudyRecord, ensemble: EnsembleRecord, seeds: Seeds, why: str
) -> ExportChoice:
    """Return all members of the ensemble, members of one finalist side by side."""
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
    of_finalist: dict[tuple[str, int], list[Member]] = {}
    for member in ensemble.members:
        of_finalist.setdefault((member.run.arm, member.run.trial_number), []).append(member)
    return ExportChoice(
        ENSEMBLE,
        tuple(chain.from_iterable(of_finalist.values())),
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


@dataclass(frozen=True)
class Limit:
    """The worst value of a measure that is admitted."""

    name: str
    value: float

    @property
    def title(self) -> str:
        """`latency_ms at most 5`, `worst_auc at least 0.7`."""
        end = "least" if self.maximize else "most"
        return f"{self.name} at {end} {self.value:g}"

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return is_maximized(self.name)

    def admits(self, value: float) -> bool:
        """Whether a value is at least as good; one that is not known is not."""
        if self.maximize:
            return value >= self.value
        return value <= self.value


def limit_of(text: str) -> Limit:
    """Read `5ms` or `NAME=VALUE`; ConfigurationError says what it may be."""
    name, equals, number = (part.strip() for part in text.rpartition("="))
    scale = 1.0
    if name:
        refuse_unknown(name)
    elif number.endswith("s") and not equals:
        name = LATENCY
        scale = 1.0 if number.endswith("ms") else 1000.0
        number = number.removesuffix("s").removesuffix("m")
    try:
        value = scale * float(number)
    except ValueError:
        value = nan
    is_negative_time = not equals and value < 0
    if not name or not isfinite(value) or is_negative_time:
        raise ConfigurationError(
            f"a limit must be a time to score 100 rows (5ms) or NAME=VALUE "
            f"(flops_per_row=2000000, worst_auc=0.7), got '{text}'"
        )
    return Limit(name, value)


def choose_at(record: StudyRecord, name: str | None, seeds: Seeds, limit: Limit) -> ExportChoice:
    """Choose the best finalist within the limit, of the arm or student of that name or of any.

    In a study with one objective only chosen finalists have kept their weights. Errors:
    ConfigurationError for an unknown name; StudyConflict if no finalist is within the limit, which
    names the nearest.
    """
    names = [arm.name for arm in record.arms_and_students]
    if name is not None and name not in names:
        raise _unknown_arm(record, name, names)
    _refuse_undone(record)
    objectives = Objectives(Objective(record.objective), (limit.name,))
    contenders = []  # finalists whose weights the study has kept
    for contender in finalists_of(record, objectives):
        is_chosen = contender.finalist is not None and contender.finalist.chosen
        if (is_chosen or record.other_objectives) and name in (None, contender.arm.name):
            contenders.append(contender)
    admitted = [each for each in contenders if limit.admits(each.values[1])]
    if not admitted:
        raise _nothing_within(record, objectives, limit, contenders)
    best = admitted[0]
    assert best.finalist is not None, "it is a finalist"
    why = f"the best of {len(admitted)} finalists on validation with {limit.title}"
    return _of_finalist(record, best.arm, best.finalist, seeds, why)


def _nothing_within(
    record: StudyRecord, objectives: Objectives, limit: Limit, contenders: Sequence[Contender]
) -> StudyConflict:
    known = [each for each in contenders if isfinite(each.values[1])]
    if not known:
        return StudyConflict(
            f"study '{record.name}' has no finalist whose {limit.name} is known",
            remedy="launch the study again, which trains its finalists",
        )
    nearest = max(known, key=lambda each: objectives.signed(each.values)[1])
    remedy = f"raise the limit to {nearest.values[1]:.4g}"
    if not record.other_objectives:
        remedy += (
            f", or search for it: `objectives: [{record.objective}, {limit.name}]` in the study "
            "file (under another name)"
        )
    return StudyConflict(
        f"study '{record.name}' has no finalist with {limit.title}; nearest is {nearest.key} with "
        f"{nearest.values[1]:.4g}",
        remedy=remedy,
    )
