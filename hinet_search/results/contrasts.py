"""Contrasts: compare the focus with each baseline, and each student with its own arm, on test.

Errors of the headline measure are over seeds and users (welch.py). Holm's procedure keeps the
probability of any false claim at 5 % over all baselines, and over all students. Every interval has
the level that Holm used for it, so mark and interval agree. A contrast whose error lacks a part is
an observation: it has no mark and is left out of the procedure. An ensemble has no seeds: its
interval is over users only, so its contrast is always an observation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.finalist_values import (
    arm_values,
    chosen,
    foci,
    headline,
    pair_of,
    signed_values,
    values_by,
)
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import (
    Difference,
    Mark,
    magnitude,
    seed_by_seed,
    smallest_shown,
    with_interval,
    without_interval,
)
from hinet_search.results.statistics.simultaneous import LEVEL, holm, level_at
from hinet_search.results.statistics.welch import (
    SEEDS_FOR_A_CLAIM,
    ArmValues,
    Estimate,
    StandardErrors,
    claim,
    difference_of_means,
    errors_of_users,
    estimate,
    estimate_of_fixed,
    lacking,
)
from hinet_search.results.study_record import StudyRecord

USERS_ONLY = "over users only"
Values = Callable[[StudyRecord, ArmRecord], ArmValues]  # of the headline, or of another measure
SAME_SIZE = 0.1  # arms have the same size if dense parameters differ by at most this share


@dataclass(frozen=True)
class Contrast:
    """The gain of the focus over `arm`, larger is better.

    Without a `difference`, `reason` says why. Only claims have p-values. `degrees` are those of the
    seeds' error. Errors and degrees are None if the spread is unknown (one seed), `user_error` is
    None without stored resamplings. `level` is 1 - confidence of the interval; `family` is the
    number of comparisons in Holm's procedure.
    """

    arm: str
    difference: Difference | None
    reason: str = ""
    p: float | None = None
    p_holm: float | None = None
    seed_error: float | None = None
    user_error: float | None = None
    degrees: float | None = None
    errors: StandardErrors | None = None  # both, if both are known
    level: float = LEVEL
    seeds: tuple[int, int] = (0, 0)  # of the focus, of the arm
    # "15,803 users", or "43,285 rows" without a user column; empty without `user_error`.
    units: str = ""
    family: int = 0

    @property
    def lacks(self) -> str:
        """What the contrast lacks to be a claim, in words; empty for a claim."""
        return self.reason if self.difference is None else self.difference.lacks

    @property
    def mark(self) -> Mark:
        """Better or worse only if the interval excludes 0 and nothing is lacking."""
        return self.difference.mark if self.difference is not None else "observation"

    @property
    def mean(self) -> float | None:
        """The mean gain; None without a difference."""
        return self.difference.mean if self.difference is not None else None

    @property
    def has_interval(self) -> bool:
        """Whether the difference has an interval."""
        return self.difference is not None and self.difference.low is not None

    @property
    def counted(self) -> str:
        """The seeds and users that the interval covers: `5 seeds an arm and 15,803 users`."""
        ours, theirs = self.seeds
        seeds = f"{ours} and {theirs} seeds"
        if ours == theirs:
            seeds = f"{ours} seed{'s' if ours != 1 else ''} an arm"
        if not self.units:
            return f"{seeds}; users are not counted"
        return f"{seeds} and {self.units}, on these items"

    @property
    def unit(self) -> str:
        """What was resampled: users, or rows without a user column; empty without resamplings."""
        return self.units.rpartition(" ")[2]

    @property
    def chance(self) -> str:
        """The sources of chance that the interval covers: `the seeds and users`, or `the seeds`."""
        return f"the seeds and {self.unit}" if self.unit else "the seeds"


def contrasts(
    record: StudyRecord, values: Values = arm_values, model: ArmRecord | None = None
) -> tuple[Contrast, ...]:
    """Compare the focus with every other arm, in the order of the arms; empty without a focus.

    If the focus was chosen on validation among several arms, Holm's procedure covers all
    comparisons that the choice could have led to: the selection bias of an arm on validation is
    on test too. A `model` was chosen among all arms and students, and is compared with all others.
    """
    focus = model or pair_of(record)[0]
    if focus is None:
        return ()
    among, chosen_among = record.arms, foci(record)
    if model:
        among = chosen_among = record.arms_and_students
    sides = {arm.name: values(record, arm) for arm in among}
    candidates = [arm.name for arm in chosen_among]
    other_pairs = [
        (sides[left], sides[right])
        for left, right in combinations(sides, 2)
        if (left in candidates or right in candidates) and focus.name not in (left, right)
    ]
    pairs = [(name, sides[focus.name], side) for name, side in sides.items() if name != focus.name]
    return judged(pairs, _units(record), other_pairs, level=level_at(record.looks))


def own_arm(record: StudyRecord, student: ArmRecord) -> ArmRecord | None:
    """Return the arm whose finalist a student learns as."""
    name = student.student_of.rpartition("/")[0]
    return next((arm for arm in record.arms if arm.name == name), None)


def student_contrasts(record: StudyRecord, values: Values = arm_values) -> tuple[Contrast, ...]:
    """Return the gain of every student over its own arm, in the headline measure on test.

    Here `arm` of a contrast names the student. Students without a value on test are left out.
    """
    pairs = []
    for student in record.students:
        arm = own_arm(record, student)
        ours = values(record, student)
        if arm is not None and ours.values:
            pairs.append((student.name, ours, values(record, arm)))
    return judged(pairs, _units(record), level=level_at(record.looks))


def judged(
    pairs: Sequence[tuple[str, ArmValues, ArmValues]],
    units: str,
    unasked: Sequence[tuple[ArmValues, ArmValues]] = (),
    *,
    level: float = LEVEL,
) -> tuple[Contrast, ...]:
    """Compare each (name, left, right), left minus right.

    `units` are the users of the resamplings in words. Holm's procedure covers the pairs that can be
    claims, and the `unasked` ones: pairs that would have been compared under another focus.
    """
    asked = [claim(left, right) for _, left, right in pairs]
    others = [claim(left, right) for left, right in unasked]
    p_values = [estimated.p for estimated in (*asked, *others) if estimated is not None]
    steps = iter(holm(p_values, level))
    judgements = []
    for (name, left, right), estimated in zip(pairs, asked, strict=True):
        if estimated is None:
            judgements.append(_observation(name, left, right, units))
            continue
        step = next(steps)
        contrast = _with_interval(name, estimated, units, level=step.level)
        judgements.append(
            replace(contrast, p=estimated.p, p_holm=step.p_holm, family=len(p_values))
        )
    return tuple(judgements)


def _observation(arm: str, ours: ArmValues, theirs: ArmValues, units: str) -> Contrast:
    """Return an observation with a plain 95 % interval, or without one.

    Holm's procedure cannot control an error of which parts are missing.
    """
    lacks = lacking(ours, theirs)
    estimated = estimate(ours, theirs)
    if estimated is not None:
        contrast = _with_interval(arm, estimated, units, level=LEVEL)
        by_seed = seed_by_seed(ours, theirs)
        difference = with_interval(estimated, LEVEL, lacks, by_seed)
        return replace(contrast, difference=difference)
    seeds = len(ours.values), len(theirs.values)
    if not min(seeds):
        return Contrast(arm, None, "no value on test", seeds=seeds)
    difference = without_interval(ours, theirs, lacks)
    return Contrast(arm, difference, "one seed has no spread", seeds=seeds)


def _with_interval(arm: str, estimated: Estimate, units: str, *, level: float) -> Contrast:
    return Contrast(
        arm=arm,
        difference=with_interval(estimated, level),
        seed_error=estimated.seed_error,
        user_error=estimated.user_error,
        degrees=estimated.degrees,
        errors=None if estimated.user_error is None else estimated.spread,
        level=level,
        seeds=estimated.seeds,
        units="" if estimated.user_error is None else units,
    )


def ensemble_contrast(
    record: StudyRecord, ensemble: EnsembleRecord, arm: ArmRecord
) -> Contrast | None:
    """Return the gain of an ensemble over an arm in the headline measure on test.

    Its 95 % interval is over users, resampled alike for both. None unless both have
    values on test.
    """
    ours = _ensemble_values(record, ensemble)
    theirs = arm_values(record, arm)
    if not ours.values or not theirs.values:
        return None
    seeds = (1, len(theirs.values))
    errors = errors_of_users(ours, theirs)
    if errors is None:
        lacks = "users not counted"
        return Contrast(arm.name, without_interval(ours, theirs, lacks), lacks, seeds=seeds)
    mean = difference_of_means(ours, theirs)
    reach = errors.reach(LEVEL)
    return Contrast(
        arm.name,
        Difference(mean, mean - reach, mean + reach, None, 1, USERS_ONLY),
        user_error=errors.user_error,
        seeds=seeds,
        units=_units(record),
    )


def gain_of_ensemble(
    record: StudyRecord, ensemble: EnsembleRecord, arm: ArmRecord
) -> Estimate | None:
    """Return the gain of an ensemble over an arm on test, with an error of seeds too.

    The ensemble is the one model that it is; the arm's value is a mean over seeds. None if the arm
    lacks what a claim needs, or the ensemble has no values on test.
    """
    ours = _ensemble_values(record, ensemble)
    theirs = arm_values(record, arm)
    if not ours.values or lacking(theirs, theirs):
        return None
    return estimate_of_fixed(ours, theirs)


def _ensemble_values(record: StudyRecord, ensemble: EnsembleRecord) -> ArmValues:
    """Return the ensemble's headline on test as if of one seed, signed: larger is better."""
    value = values_by(headline(record.objective))(ensemble.test_cells or ())
    if value is None:
        return ArmValues(())
    return signed_values(record, [value], ensemble.resampled)


def _units(record: StudyRecord) -> str:
    """Return the resampled users in words; empty without resamplings."""
    for arm in (*record.students, *record.arms):
        finalist = chosen(arm)
        if finalist is not None and finalist.summary is not None:
            return finalist.summary.resampled.units_in_words
    return ""


def smallest_differences(contrast: Contrast) -> tuple[float, float, float] | None:
    """Return what these users and seeds show in 80 % of studies; at least the seeds of a claim.

    The first two are the ends of its 95 % interval, as the errors are estimates. The third is what
    no number of seeds would show less than. None if the spread of seeds or users is not known.
    """
    errors = contrast.errors
    if errors is None:
        return None
    seeds = min(contrast.seeds)
    planned = max(seeds, SEEDS_FOR_A_CLAIM)
    ends = []
    # The degrees are at most those of all seeds, at least those of one arm. Spreads may be unequal,
    # so the ends are further than 0.975 and 0.025.
    for share, degrees in ((0.98, 2 * (planned - 1.0)), (0.02, planned - 1.0)):
        end = errors.exceeded_in(share)
        of_seeds = end.seed_error * (seeds / planned) ** 0.5
        ends.append(
            smallest_shown(replace(end, seed_error=of_seeds, degrees=degrees), contrast.level)
        )
    users = replace(errors.exceeded_in(0.98), seed_error=0.0)
    return ends[0], ends[1], smallest_shown(users, contrast.level)


def resolution(contrast: Contrast) -> str:
    """Say in one sentence which differences these seeds and users can show."""
    if contrast.seed_error is None:
        return "With one seed it is not known which differences would be shown."
    smallest = smallest_differences(contrast)
    if smallest is None or contrast.unit != "users":
        return "Users are not counted, so it is not known which differences would be shown."
    low, high, least = map(magnitude, smallest)
    seeds = max(min(contrast.seeds), SEEDS_FOR_A_CLAIM)
    return (
        f"In four of five studies {seeds} seeds an arm and {contrast.units} show a difference "
        f"of {low} to {high}; no number of seeds shows less than {least}."
    )


def claims(among: Sequence[Contrast], mark: Mark) -> list[Contrast]:
    """Return the contrasts with that mark, the largest difference first."""
    known = [(contrast.difference, contrast) for contrast in among if contrast.difference]
    marked = [(abs(gain.mean), contrast) for gain, contrast in known if gain.mark == mark]
    ordered = sorted(marked, key=lambda pair: pair[0], reverse=True)
    return [contrast for _, contrast in ordered]


def same_size(record: StudyRecord, focus: ArmRecord) -> tuple[ArmRecord, ...]:
    """Return the other arms of the same size as `focus`.

    Arms built to its size come first, then arms within 10 % of its dense parameters.
    """
    others = [arm for arm in record.arms if arm.name != focus.name]
    built = [arm for arm in others if arm.size_of == focus.name]
    ours = dense_parameters(focus)
    near = []
    for arm in others:
        theirs = dense_parameters(arm)
        if ours and theirs and arm not in built and abs(theirs - ours) <= SAME_SIZE * ours:
            near.append(arm)
    return (*built, *near)


def dense_parameters(arm: ArmRecord) -> int | None:
    """Return the parameters of the chosen finalist without embeddings; None without a finalist."""
    finalist = chosen(arm)
    return finalist.runs[0].cost.dense_parameters if finalist else None
