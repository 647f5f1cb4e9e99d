"""Ablation: what groups of inputs, and the choices of the search, are worth on validation.

Before the search, the default configuration of one arm is trained with all inputs and without each
group in turn. Like a cheaper model, a group is left out if the loss is shown to be below the
study's margin; otherwise it is kept. After the search, the best finalist is trained again as it is,
without each choice of the search and without all of them, with seeds that chose nothing.

Trainings are paired by seed. What is said and done follows from Student t intervals over the seeds,
which hold for all groups, or all choices, together (Bonferroni). Users are not counted, so what is
said is said of these rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean

from hinet_search.results.data_record import GROUPS, groups_without
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord, FinalistRecord, Scalar
from hinet_search.results.statistics.paired_difference import Difference, gain, magnitude
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.study_record import PairedRun, StudyRecord

EVERY_CHOICE = "all"  # in place of the names of all choices; a setting has a dotted name


def values_by_seed(runs: Sequence[PairedRun], left_out: Collection[str]) -> dict[int, float]:
    """Return the finite values of the trainings without exactly these."""
    return {
        run.seed: run.value
        for run in runs
        if set(run.left_out) == set(left_out) and isfinite(run.value)
    }


def _worth(
    runs: Sequence[PairedRun], left_out: Collection[str], *, maximize: bool, level: float
) -> Difference | None:
    """Return the gain with everything over that without some; None without a common seed."""
    full = values_by_seed(runs, ())
    without = values_by_seed(runs, left_out)
    if not full.keys() & without.keys():
        return None
    return gain(full, without, maximize=maximize, level=level)


@dataclass(frozen=True)
class InputChoice:
    """What groups are worth, and the groups that are left out.

    `worths` maps every measured group, the best one first, to its gain over the paired seeds:
    positive if validation is better with it. `small` groups are shown to be worth less than the
    `margin` (in units of the objective), and not shown to improve validation; `together` is what
    they are worth together, None if that is not known. All of them are `dropped`, or none.
    """

    worths: Mapping[str, Difference]
    margin: float
    small: tuple[str, ...]
    together: Difference | None
    dropped: tuple[str, ...]

    @property
    def useful(self) -> tuple[str, ...]:
        """The groups that are shown to improve validation."""
        return tuple(group for group, worth in self.worths.items() if worth.mark == "better")

    @property
    def unclear(self) -> tuple[str, ...]:
        """The groups of which neither is shown."""
        return tuple(group for group in self.worths if group not in (*self.useful, *self.small))


def choose_inputs(runs: Sequence[PairedRun], objective: str, margin: float) -> InputChoice:
    """Choose the groups to leave out by the study's objective and margin.

    Groups whose worth is small are dropped together, if their worth together is small, too. A group
    is not dropped if a training without it is missing.
    """
    groups = dict.fromkeys(run.left_out[0] for run in runs if len(run.left_out) == 1)
    level = LEVEL / max(1, len(groups))
    measure = Objective(objective)
    maximize = measure.maximize
    full = values_by_seed(runs, ())
    allowed = measure.margin_at(margin, fmean(full.values())) if full else margin

    def is_complete(left_out: Collection[str]) -> bool:
        return bool(full) and full.keys() <= values_by_seed(runs, left_out).keys()

    known = []
    for group in groups:
        worth = _worth(runs, (group,), maximize=maximize, level=level)
        if worth is not None:
            known.append((group, worth))
    worths = dict(sorted(known, key=lambda pair: -pair[1].mean))
    complete = [group for group in worths if is_complete((group,))]
    small = tuple(group for group in complete if _is_small(worths[group], allowed))
    together = None
    if small and is_complete(small):
        together = _worth(runs, small, maximize=maximize, level=level)
    dropped = small if together is not None and _is_small(together, allowed) else ()
    return InputChoice(worths, allowed, small, together, dropped)


def _is_small(value: Difference, margin: float) -> bool:
    """Whether a worth is shown to be below the margin, and not shown to be above 0."""
    return value.high is not None and value.high < margin and value.mark != "better"


def follows(fixed: Mapping[str, Scalar], choice: InputChoice, known_groups: Sequence[str]) -> bool:
    """Whether an arm with these fixed settings has the chosen groups of inputs."""
    return fixed.get(GROUPS) == groups_without(choice.dropped, known_groups)


def sentence(choice: InputChoice, *, is_followed: bool) -> str:
    """Say what is shown and what happens; `is_followed` says whether any arm has the choice."""
    if not choice.worths:
        return "What the groups of inputs are worth could not be measured: all are kept."
    sentences = []
    if choice.useful:
        gains = [f"by {_size(choice.worths[group].mean)} with {group}" for group in choice.useful]
        sentences.append(f"On these rows validation improves {', '.join(gains)}.")
    if choice.unclear:
        highs = [choice.worths[group].high for group in choice.unclear]
        most = max((high for high in highs if high is not None), default=None)
        at_most = "one seed shows nothing" if most is None else f"worth up to {_size(most)}"
        groups = " or ".join(choice.unclear)
        sentences.append(f"No significant difference with {groups} (kept: {at_most}).")
    if choice.small:
        fate = _fate(choice, is_followed=is_followed)
        groups = " or ".join(choice.small)
        less = "On these rows less than the margin"
        sentences.append(f"{less} of {choice.margin:.3g} is lost without {groups} ({fate}).")
    return " ".join(sentences)


def _size(value: float) -> str:
    return f"−{magnitude(value)}" if value < 0 else magnitude(value)


def _fate(choice: InputChoice, *, is_followed: bool) -> str:
    """Say what happens to the groups of small worth."""
    if choice.dropped:
        return "dropped" if is_followed else "measured only"
    if choice.together is None:
        return "kept: no model without all of them was trained"
    if choice.together.mark == "better":
        return f"kept: together they improve it by {_size(choice.together.mean)}"
    most = choice.together.high
    assert most is not None, "groups with an interval have one together"
    return f"kept: together they may be worth up to {_size(most)}"


@dataclass(frozen=True)
class MeasuredInputs:
    """The worth of groups of inputs in a study, and the arms that follow the choice.

    `num_seeds` are those with all inputs, `arm` is the one whose default configuration measured.
    """

    record: StudyRecord
    choice: InputChoice
    followers: tuple[ArmRecord, ...]
    arm: str
    num_seeds: int

    @property
    def dropped(self) -> tuple[str, ...]:
        """The groups that arms do without; empty if no arm follows the choice."""
        return self.choice.dropped if self.followers else ()

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        return sentence(self.choice, is_followed=bool(self.followers))


def measured_inputs(record: StudyRecord) -> MeasuredInputs | None:
    """Return what was measured; None without measurements, or until they are complete."""
    runs = record.input_runs
    if not runs:
        return None
    choice = choose_inputs(runs, record.objective, record.budget.margin)
    groups = tuple(record.data.groups)
    arms = tuple(arm for arm in record.arms if follows(arm.fixed, choice, groups))
    if not arms and not any(arm.trials_done for arm in record.arms):
        return None
    return MeasuredInputs(record, choice, arms, runs[0].arm, len(values_by_seed(runs, ())))


def changed(value: Scalar, default: Scalar) -> bool:
    """Return whether a value is another than the default, despite rounding errors of floats."""
    if isinstance(value, float) and isinstance(default, float):
        return f"{value:.10g}" != f"{default:.10g}"
    return value != default


@dataclass(frozen=True)
class Choice:
    """Settings that were taken back together: their defaults, and their values in the finalist.

    The finalist is compared with itself without the choice; None without a common seed.
    """

    settings: Mapping[str, tuple[Scalar, Scalar]]
    gain: Difference | None

    @property
    def name(self) -> str:
        """The names of its settings; of more than two, the first and the number of others."""
        first, *others = self.settings
        if len(others) > 1:
            return f"{first} and {len(others)} more"
        return ", ".join(self.settings)


@dataclass(frozen=True)
class MeasuredChoices:
    """What each choice in a finalist is worth, the best one first, and `whole` all of them.

    `whole` is None if there is one choice alone. `left` are settings that differ from the default
    and were not measured.
    """

    arm: ArmRecord
    finalist: FinalistRecord
    choices: tuple[Choice, ...]
    whole: Difference | None
    left: tuple[str, ...]
    num_seeds: int

    @property
    def shown(self) -> tuple[Choice, ...]:
        """The choices that are shown to have moved the finalist up."""
        return tuple(each for each in self.choices if each.gain and each.gain.mark == "better")

    @property
    def sentence(self) -> str:
        """What is shown, in a sentence or more."""
        sentences = ["No single choice is shown to have moved it."]
        gains = [f"{each.name} by {magnitude(each.gain.mean)}" for each in self.shown if each.gain]
        if gains:
            sentences = [f"On these rows validation is shown to improve with {', '.join(gains)}."]
        harmful = [each.name for each in self.choices if each.gain and each.gain.mark == "worse"]
        if harmful:
            sentences.append(f"On these rows it is better without {', '.join(harmful)}.")
        if self.whole:
            size = magnitude(self.whole.mean)
            sentences.append(
                {
                    "better": f"On these rows all choices together improve it by {size}.",
                    "unclear": "No significant difference with all choices together.",
                    "worse": f"On these rows it is better by {size} without any choice.",
                }[self.whole.direction]
            )
        return " ".join(sentences)


def measured_choices(record: StudyRecord) -> MeasuredChoices | None:
    """Return what choices are worth; None without trainings of a finalist of the record."""
    runs = [run for run in record.paired_runs if run.is_of_choices]
    finalists = {}
    for arm in record.arms:
        for finalist in arm.finalists:
            finalists[f"{arm.name}/{finalist.trial_number}"] = arm, finalist
    num_seeds = len(values_by_seed(runs, ()))
    if not num_seeds or runs[0].arm not in finalists:
        return None
    arm, finalist = finalists[runs[0].arm]
    gains = _gains(runs, num_seeds, maximize=record.maximize)
    whole = gains.pop((EVERY_CHOICE,), None)
    settings = {}
    for each in arm.ranges:
        if each.name in finalist.parameters:
            settings[each.name] = (each.default, finalist.parameters[each.name])
    choices = []
    for names, difference in gains.items():
        choices.append(Choice({name: settings[name] for name in names}, difference))
    choices.sort(key=lambda each: -each.gain.mean if each.gain else 0.0)
    measured = set().union(*gains)
    different = [name for name, (default, value) in settings.items() if changed(value, default)]
    left = tuple(name for name in different if name not in measured)
    return MeasuredChoices(arm, finalist, tuple(choices), whole, left, num_seeds)


def _gains(
    runs: Sequence[PairedRun], num_seeds: int, *, maximize: bool
) -> dict[tuple[str, ...], Difference | None]:
    """Return the gain of the whole finalist over itself without each of what was left out."""
    sets = dict.fromkeys(run.left_out for run in runs if run.left_out)
    gains: dict[tuple[str, ...], Difference | None] = {}
    for left_out in sets:
        worth = _worth(runs, left_out, maximize=maximize, level=LEVEL / len(sets))
        if worth is not None and worth.pairs < num_seeds:
            worth = replace(worth, lacks=f"{worth.pairs} of {num_seeds} seeds")
        gains[left_out] = worth
    return gains
