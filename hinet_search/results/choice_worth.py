"""Choice worth: what the choices of the search are worth in the best finalist, on validation.

The finalist was trained again as it is, without each choice and without all of them, with paired
seeds that chose nothing. What is said follows from Student t intervals over these seeds, which hold
for all rows together (Bonferroni).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hinet_search.results.paired_runs import values_by_seed
from hinet_search.results.records import ArmRecord, FinalistRecord, Scalar
from hinet_search.results.statistics.paired_difference import Difference, gain, magnitude
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.study_record import StudyRecord

_OF_ALL = {
    "better": "All choices together improve it by {}.",
    "unclear": "No difference is shown of all choices together.",
    "worse": "It is shown to be better by {} without any choice.",
}
EVERY_CHOICE = "all"  # in place of the names of all choices; a setting has a dotted name


def changed(value: Scalar, default: Scalar) -> bool:
    """Return whether a value is another than the default, despite rounding errors of floats."""
    if isinstance(value, float) and isinstance(default, float):
        return f"{value:.10g}" != f"{default:.10g}"
    return value != default


@dataclass(frozen=True)
class Choice:
    """Settings that were taken back together: their defaults, and their values in the finalist.

    The gain is that of the finalist over itself without the choice; None without a common seed.
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
        sentences = []
        if self.shown:
            gains = [
                f"{each.name} by {magnitude(each.gain.mean)}" for each in self.shown if each.gain
            ]
            sentences.append(f"Validation is shown to improve with {', '.join(gains)}.")
        else:
            sentences.append("No single choice is shown to have moved it.")
        harmful = [each.name for each in self.choices if each.gain and each.gain.mark == "worse"]
        if harmful:
            sentences.append(f"It is shown to be better without {', '.join(harmful)}.")
        if self.whole:
            sentences.append(_OF_ALL[self.whole.direction].format(magnitude(self.whole.mean)))
        return " ".join(sentences)


def measured_choices(record: StudyRecord) -> MeasuredChoices | None:
    """Return what choices are worth; None without trainings of a finalist of the record."""
    runs = [run for run in record.paired_runs if run.is_of_choices]
    arm, finalist = _finalist(record, runs[0].arm if runs else "")
    full = values_by_seed(runs, ())
    if arm is None or finalist is None or not full:
        return None
    sets = dict.fromkeys(run.left_out for run in runs if run.left_out)
    level = LEVEL / max(1, len(sets))

    def gain_over(left_out: Sequence[str]) -> Difference | None:
        without = values_by_seed(runs, left_out)
        num_common = len(full.keys() & without.keys())
        if not num_common:
            return None
        difference = gain(full, without, maximize=record.maximize, level=level)
        lacks = f"{num_common} of {len(full)} seeds" if num_common < len(full) else ""
        return replace(difference, lacks=lacks)

    defaults = {each.name: each.default for each in arm.ranges}
    parameters = finalist.parameters
    choices = []
    for names in sets:
        if names != (EVERY_CHOICE,):
            settings = {name: (defaults[name], parameters[name]) for name in names}
            choices.append(Choice(settings, gain_over(names)))
    choices.sort(key=lambda each: -each.gain.mean if each.gain else 0.0)
    measured = {name for each in choices for name in each.settings}
    left = [
        name
        for name, value in parameters.items()
        if name not in measured and changed(value, defaults[name])
    ]
    whole = gain_over((EVERY_CHOICE,))
    return MeasuredChoices(arm, finalist, tuple(choices), whole, tuple(left), len(full))


def _finalist(record: StudyRecord, key: str) -> tuple[ArmRecord | None, FinalistRecord | None]:
    """Return the arm and the finalist of a key like `hinet/12`."""
    for arm in record.arms:
        for finalist in arm.finalists:
            if f"{arm.name}/{finalist.trial_number}" == key:
                return arm, finalist
    return None, None
