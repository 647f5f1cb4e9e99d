"""Input worth: what each group of inputs adds on validation, and which groups a study leaves out.

Before the search, the default configuration of one arm is trained with all inputs and without each
group in turn, with paired seeds. What is said and done follows from the intervals of these gains,
Student t over the seeds, which hold for all groups together (Bonferroni). Like a cheaper model, a
group is left out if the loss is shown to be below the study's margin; otherwise it is kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from hinet_search.results.input_groups import GROUPS, groups_without
from hinet_search.results.objectives import Objective
from hinet_search.results.paired_runs import PairedRun, values_by_seed
from hinet_search.results.records import ArmRecord, Scalar
from hinet_search.results.statistics.paired_difference import Difference, gain
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.study_record import StudyRecord


@dataclass(frozen=True)
class InputChoice:
    """What groups are worth, and which are left out.

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
    full = values_by_seed(runs, ())
    allowed = measure.margin_at(margin, fmean(full.values())) if full else margin

    def worth_of(left_out: Collection[str]) -> Difference | None:
        return worth(runs, left_out, maximize=measure.maximize, level=level)

    known = {group: value for group in groups if (value := worth_of((group,))) is not None}
    worths = dict(sorted(known.items(), key=lambda pair: -pair[1].mean))
    measured = [group for group in worths if _is_complete(runs, (group,))]
    small = tuple(group for group in measured if _is_small(worths[group], allowed))
    together = worth_of(small) if small and _is_complete(runs, small) else None
    dropped = small if _is_small(together, allowed) else ()
    return InputChoice(worths, allowed, small, together, dropped)


def worth(
    runs: Sequence[PairedRun], left_out: Collection[str], *, maximize: bool, level: float
) -> Difference | None:
    """Return the gain of all inputs over those without some; None without a common seed."""
    full = values_by_seed(runs, ())
    without = values_by_seed(runs, left_out)
    if not full.keys() & without.keys():
        return None
    return gain(full, without, maximize=maximize, level=level)


def _is_small(value: Difference | None, margin: float) -> bool:
    """Whether a worth is shown to be below the margin, and not shown to be above 0."""
    if value is None or value.high is None:
        return False
    return value.high < margin and value.mark != "better"


def _is_complete(runs: Sequence[PairedRun], left_out: Collection[str]) -> bool:
    """Whether every seed with all inputs has a value without these groups, too."""
    full = values_by_seed(runs, ()).keys()
    return bool(full) and full <= values_by_seed(runs, left_out).keys()


def follows(fixed: Mapping[str, Scalar], choice: InputChoice, known_groups: Sequence[str]) -> bool:
    """Whether an arm with these fixed settings has the chosen groups of inputs."""
    return fixed.get(GROUPS) == groups_without(choice.dropped, known_groups)


def followers(
    arms: Sequence[ArmRecord], choice: InputChoice, known_groups: Sequence[str]
) -> tuple[ArmRecord, ...]:
    """Return the arms that have the chosen groups of inputs."""
    return tuple(arm for arm in arms if follows(arm.fixed, choice, known_groups))


def sentence(choice: InputChoice, *, is_followed: bool) -> str:
    """Say what is shown and what happens; `is_followed` says whether any arm has the choice."""
    if not choice.worths:
        return "What the groups of inputs are worth could not be measured: all are kept."
    sentences = []
    if choice.useful:
        gains = [f"by {_size(choice.worths[group].mean)} with {group}" for group in choice.useful]
        sentences.append(f"Validation improves {', '.join(gains)}.")
    if choice.unclear:
        highs = [choice.worths[group].high for group in choice.unclear]
        most = max((high for high in highs if high is not None), default=None)
        at_most = "one seed shows nothing" if most is None else f"worth up to {_size(most)}"
        groups = " or ".join(choice.unclear)
        sentences.append(f"No difference is shown with {groups} (kept: {at_most}).")
    if choice.small:
        fate = _fate(choice, is_followed=is_followed)
        margin = f"{choice.margin:.3g}".lstrip("0") or "0"
        groups = " or ".join(choice.small)
        sentences.append(f"Less than the margin of {margin} is lost without {groups} ({fate}).")
    return " ".join(sentences)


def _size(value: float) -> str:
    sign = "−" if value < 0 else ""
    return f"{sign}{abs(value):.4f}".replace("0.", ".", 1)


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
    arms = followers(record.arms, choice, tuple(record.data.groups))
    has_trials = any(arm.trials_done for arm in record.arms)
    if not arms and not has_trials:
        return None
    return MeasuredInputs(record, choice, arms, runs[0].arm, len(values_by_seed(runs, ())))
