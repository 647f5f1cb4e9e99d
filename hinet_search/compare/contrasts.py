"""Contrasts: one primary comparison per baseline, the arm in focus against it, in the headline measure on test.

Errors are those of seeds and users (welch.py); Holm's procedure holds the chance of any false claim at 5 % over all
baselines, and every interval is drawn at the level at which Holm judged it, so that mark and interval agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_search.compare.finalists import chosen, headline_by_seed, pair_of
from hinet_search.compare.gains import Difference, Mark, seeds_to_show
from hinet_search.compare.simultaneous import LEVEL, Step, holm
from hinet_search.compare.welch import Estimate, Side, difference_of_means, estimate
from hinet_search.records import ArmRecord, StudyRecord

SMALL_EFFECT = 0.001  # the field calls this much AUC a gain


@dataclass(frozen=True)
class Contrast:
    """The gain of the arm in focus over `arm`, larger is better; `difference` is None with the reason in words.

    p-values, errors and degrees are None where nothing is known of the spread (one seed). `user_error` is None, and
    counts as 0, where no resamplings were kept. `level` is that of the interval: 1 - its confidence.
    """

    arm: str
    difference: Difference | None
    reason: str = ""
    p: float | None = None
    p_holm: float | None = None
    seed_error: float | None = None
    user_error: float | None = None
    degrees: float | None = None
    level: float = LEVEL
    seeds: tuple[int, int] = (0, 0)  # of the focus, of the arm
    units: str = ""  # "15,803 users", or "43,285 rows" where the data have no users; empty with `user_error`

    @property
    def mark(self) -> Mark:
        """Better or worse only when the interval excludes 0."""
        return self.difference.mark if self.difference is not None else "unclear"

    @property
    def counted(self) -> str:
        """What the interval counts, in words: `5 seeds an arm and 15,803 users`."""
        ours, theirs = self.seeds
        seeds = f"{ours} seed{'s' if ours != 1 else ''} an arm" if ours == theirs else f"{ours} and {theirs} seeds"
        return f"{seeds} and {self.units}" if self.units else f"{seeds}; users are not counted"

    @property
    def chance(self) -> str:
        """What the interval allows for, in words: `the seeds and users`, or `the seeds` where nothing else is counted."""
        return f"the seeds and {self.units.split()[-1]}" if self.units else "the seeds"


def contrasts(record: StudyRecord) -> tuple[Contrast, ...]:
    """The focus of the study against every other arm, in the order of the arms; empty without a focus."""
    focus, _ = pair_of(record)
    if focus is None:
        return ()
    others = [arm for arm in record.arms if arm.name != focus.name]
    ours = side_of(record, focus)
    return judged([(arm.name, ours, side_of(record, arm)) for arm in others], _units(focus))


def judged(pairs: Sequence[tuple[str, Side, Side]], units: str) -> tuple[Contrast, ...]:
    """(name, left, right) in, left minus right out, Holm over all; `units` are the users of the resamplings in words."""
    estimates = [estimate(left, right) if left.values and right.values else None for _, left, right in pairs]
    steps = iter(holm([found.p for found in estimates if found is not None]))
    return tuple(
        _without_interval(name, left, right) if found is None else _contrast(name, found, next(steps), units)
        for (name, left, right), found in zip(pairs, estimates, strict=True)
    )


def side_of(record: StudyRecord, arm: ArmRecord) -> Side:
    """The arm's headline on test by seed and resampling, turned so that larger is better."""
    finalist = chosen(arm)
    if finalist is None:
        return Side(())
    sign = 1.0 if record.maximize else -1.0
    values = tuple(sign * value for value in headline_by_seed(record, finalist, "test").values())
    if finalist.summary is None:
        return Side(values)
    drawn = finalist.summary.resampled
    return Side(values, tuple(sign * value for value in drawn.headline), drawn.num_units)


def _units(arm: ArmRecord) -> str:
    finalist = chosen(arm)
    if finalist is None or finalist.summary is None:
        return ""
    return f"{finalist.summary.resampled.num_units:,} {finalist.summary.resampled.unit}"


def _contrast(arm: str, found: Estimate, step: Step, units: str) -> Contrast:
    return Contrast(
        arm=arm,
        difference=Difference(found.mean, *found.interval(step.level), found.deviation, min(found.seeds)),
        p=found.p,
        p_holm=step.p_holm,
        seed_error=found.seed_error,
        user_error=found.user_error,
        degrees=found.degrees,
        level=step.level,
        seeds=found.seeds,
        units="" if found.user_error is None else units,
    )


def _without_interval(arm: str, ours: Side, theirs: Side) -> Contrast:
    seeds = len(ours.values), len(theirs.values)
    if not min(seeds):
        return Contrast(arm, None, "no value on test", seeds=seeds)
    mean = difference_of_means(ours, theirs)
    return Contrast(arm, Difference(mean, None, None, None, min(seeds)), "one seed has no spread", seeds=seeds)


def seeds_needed(contrast: Contrast, effect: float = SMALL_EFFECT) -> int | None:
    """Seeds of each arm that would show `effect`; None when the users alone hide it, or the spread is not known."""
    if contrast.difference is None or contrast.difference.deviation is None:
        return None
    return seeds_to_show(effect, contrast.difference.deviation, contrast.user_error or 0.0, contrast.level)


def resolution(contrast: Contrast, effect: float = SMALL_EFFECT) -> str:
    """Whether the seeds of this contrast allow to see `effect`, in one sentence."""
    size = f"{effect:.4f}".rstrip("0").lstrip("0")
    if contrast.seed_error is None:
        return f"Without a second seed nothing is known of whether a difference of {size} would be seen."
    needed, seeds = seeds_needed(contrast, effect), min(contrast.seeds)
    if needed is None:
        error = f"{contrast.user_error or 0:.4f}".lstrip("0")
        return f"No number of seeds would show a difference of {size}: the error of {contrast.units} alone is {error}."
    if needed <= seeds:
        return f"These {seeds} seeds show a difference of {size} in at least four of five studies."
    return f"About {needed:,} seeds of each arm would show a difference of {size}; there are {seeds}."


def claims(found: Sequence[Contrast], mark: Mark) -> list[Contrast]:
    """The contrasts with that mark, the largest difference first."""
    marked = [one for one in found if one.difference is not None and one.mark == mark]
    return sorted(marked, key=lambda one: -abs(one.difference.mean if one.difference else 0.0))
