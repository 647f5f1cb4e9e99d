"""Opened models: what a decision compares, and what test shows of each beside another."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from hinet_search.results.finalist_values import (
    arm_values,
    best_on_validation,
    chosen,
    objective_by_seed,
)
from hinet_search.results.records import ArmRecord
from hinet_search.results.serving_costs import ServingCosts
from hinet_search.results.statistics.welch import Estimate, claim
from hinet_search.results.study_record import StudyRecord

Kind = Literal["arm", "student", "ensemble"]


@dataclass(frozen=True)
class Offer:
    """Something that a study can ship.

    `valid` is the study's objective on validation, `test` the measure of the verdict on test: means
    over seeds for one model. An ensemble costs as much as all members together;
    milliseconds are for 100 rows and None if a member was not timed. `share` is that of the serving
    limits, 0 without limits.
    """

    name: str
    kind: Kind
    valid: float
    test: float | None
    milliseconds: float | None
    flops_per_row: int
    share: float
    members: int = 1

    @property
    def meets_limits(self) -> bool:
        """Whether it can be served."""
        return self.share <= 1


@dataclass(frozen=True)
class Decision:
    """The offers of a study, the one to take, and why; None while there is none to take."""

    offers: tuple[Offer, ...]
    taken: Offer | None
    why: str


@dataclass(frozen=True)
class OpenedModels:
    """The models that are opened on test and may be served, arms first.

    `claimed` are pairs (better, worse) of names that the verdict claims; `level` is of one pair.
    """

    record: StudyRecord
    models: tuple[ArmRecord, ...]
    claimed: frozenset[tuple[str, str]]
    level: float
    costs: ServingCosts

    def gain(self, model: ArmRecord, other: ArmRecord) -> Estimate | None:
        """Return the gain of a model over another one on test; None if it cannot be a claim."""
        return claim(arm_values(self.record, model), arm_values(self.record, other))

    def shows(self, model: ArmRecord, *, over: ArmRecord) -> bool:
        """Whether test shows a model to be better than another one."""
        if (model.name, over.name) in self.claimed:
            return True
        gain = self.gain(model, over)
        return gain is not None and gain.mean > 0 and gain.p < self.level

    def standing(self, among: Sequence[ArmRecord]) -> list[ArmRecord]:
        """Return the models that test does not show to be worse than another of them."""
        return [
            model for model in among if not any(self.shows(other, over=model) for other in among)
        ]

    def best(self, among: Sequence[ArmRecord]) -> ArmRecord | None:
        """Return the best on validation of those standing; of all if each is beaten by another."""
        return best_on_validation(self.record, self.standing(among) or among)

    def ahead(self, model: ArmRecord, other: ArmRecord) -> float:
        """Return the gain of a model over another one in the objective on validation."""
        ours = objective_by_seed(self.record, chosen(model), "valid")
        theirs = objective_by_seed(self.record, chosen(other), "valid")
        return self.record.sign * (fmean(ours.values()) - fmean(theirs.values()))


@dataclass(frozen=True)
class Best:
    """The best model before a lower cost counts, and why.

    `arm` is the best arm, None if only students are opened on test. `standing` are the models that
    may take the best one's place.
    """

    model: ArmRecord
    arm: ArmRecord | None
    why: str
    standing: tuple[ArmRecord, ...]

    @property
    def references(self) -> tuple[ArmRecord, ...]:
        """What takes its place must not lose to these: the best model and the best arm.

        The losses of two steps would add up.
        """
        if self.arm is None or self.arm.name == self.model.name:
            return (self.model,)
        return self.model, self.arm


@dataclass(frozen=True)
class CheaperModel:
    """A model that costs less than the best one, with its gains over the best and the best arm.

    With 95 % confidence all cheaper models gain at least their `least` (a loss is a negative gain).
    `level` is the level of a single model.
    """

    model: ArmRecord
    share: float  # of the best model's cost
    gains: tuple[Estimate, ...]
    level: float

    @property
    def smallest(self) -> Estimate:
        """The gain whose one-sided interval reaches lowest."""
        return min(self.gains, key=lambda gain: gain.interval(2 * self.level)[0])

    @property
    def least(self) -> float:
        """The lower end of the one-sided interval of the smallest gain."""
        return self.smallest.interval(2 * self.level)[0]

    @property
    def is_worse(self) -> bool:
        """Whether test shows it to be worse, by however little."""
        return any(gain.mean < 0 and gain.p < self.level for gain in self.gains)

    def is_within(self, margin: float) -> bool:
        """Whether it is shown to lose less than the margin, and not shown to be worse."""
        return self.least > -margin and not self.is_worse
