"""Choice at a limit: the best finalist of a study on validation that a further measure admits.

The measure is a cost, such as the time to score 100 rows, or a metric of validation. A finalist
that is not its arm's chosen one has not been opened on test.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from hinet_search.common.errors import ConfigurationError, StudyConflict
from hinet_search.results.front import Contender, finalists_of
from hinet_search.results.objectives import Objective
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import LATENCY, Objectives, is_maximized, refuse_unknown
from hinet_search.serving.choice import (
    ExportChoice,
    Seeds,
    of_finalist,
    refuse_undone,
    unknown_arm,
)

_TIME = re.compile(r"(?P<value>[0-9.]+(e[-+]?[0-9]+)?) ?(?P<unit>ms|s)")
_OTHER = re.compile(r"(?P<name>[^=<>]+?) ?= ?(?P<value>[-+0-9.e]+)")


@dataclass(frozen=True)
class Limit:
    """The worst value of a measure that is admitted."""

    name: str
    value: float

    @property
    def title(self) -> str:
        """`latency_ms at most 5`, `worst_auc at least 0.7`."""
        return f"{self.name} at {'least' if self.maximize else 'most'} {self.value:g}"

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return is_maximized(self.name)

    def admits(self, value: float) -> bool:
        """Whether a value is at least as good; one that is not known is not."""
        return value >= self.value if self.maximize else value <= self.value


def limit_of(text: str) -> Limit:
    """Read `5ms` or `NAME=VALUE`; ConfigurationError says what it may be."""
    if match := _TIME.fullmatch(text.strip()):
        scale = 1000.0 if match["unit"] == "s" else 1.0
        return Limit(LATENCY, scale * _number(match["value"], text))
    if match := _OTHER.fullmatch(text.strip()):
        refuse_unknown(match["name"])
        return Limit(match["name"], _number(match["value"], text))
    raise _unreadable(text)


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _unreadable(whole) from error


def _unreadable(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"a limit must be a time to score 100 rows (5ms) or NAME=VALUE "
        f"(flops_per_row=2000000, worst_auc=0.7), got '{text}'"
    )


def choose_at(record: StudyRecord, name: str | None, seeds: Seeds, limit: Limit) -> ExportChoice:
    """Choose the best finalist within the limit, of the arm or student of that name or of any.

    In a study with one objective only chosen finalists have kept their weights. Errors:
    ConfigurationError for an unknown name; StudyConflict if no finalist is within the limit, which
    names the nearest.
    """
    refuse_undone(record)
    names = [arm.name for arm in record.arms_and_students]
    if name is not None and name not in names:
        raise unknown_arm(record, name, names)
    objectives = Objectives(Objective(record.objective), (limit.name,))
    contenders = [
        contender
        for contender in finalists_of(record, objectives)
        if name in (None, contender.arm.name) and _is_kept(record, contender)
    ]
    admitted = [each for each in contenders if limit.admits(each.values[1])]
    if not admitted:
        raise _nothing_within(record, objectives, limit, contenders)
    best = admitted[0]
    assert best.finalist is not None, "it is a finalist"
    why = f"the best of {len(admitted)} finalists on validation with {limit.title}"
    return of_finalist(record, best.arm, best.finalist, seeds, why)


def _is_kept(record: StudyRecord, contender: Contender) -> bool:
    """Whether the study has kept the weights of a finalist."""
    is_chosen = contender.finalist is not None and contender.finalist.chosen
    return is_chosen or bool(record.other_objectives)


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
