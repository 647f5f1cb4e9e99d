"""Choice worth: what the choices of the search are worth in the best finalist, on validation.

The finalist was trained again as it is, without each choice and without all of them, with paired
seeds that chose nothing. What is said follows from Student t intervals over these seeds, which hold
for all rows together (Bonferroni).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hinet_search.results.paired_runs import PairedRun, values_by_seed
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
    seeds = values_by_seed(runs, ())
    if arm is None or finalist is None or not seeds:
        return None
    gains = _gains(runs, maximize=record.maximize)
    settings = _settings(arm, finalist)
    whole = gains.pop((EVERY_CHOICE,), None)
    choices = [
        Choice({name: settings[name] for name in names}, gain) for names, gain in gains.items()
    ]
    choices.sort(key=lambda each: -each.gain.mean if each.gain else 0.0)
    different = [name for name, (default, value) in settings.items() if changed(value, default)]
    measured = set().union(*gains)
    left = tuple(name for name in different if name not in measured)
    return MeasuredChoices(arm, finalist, tuple(choices), whole, left, len(seeds))


def _settings(arm: ArmRecord, finalist: FinalistRecord) -> dict[str, tuple[Scalar, Scalar]]:
    """Return the defaults and the finalist's values of what the search chose."""
    return {
        each.name: (each.default, finalist.parameters[each.name])
        for each in arm.ranges
        if each.name in finalist.parameters
    }


def _gains(
    runs: Sequence[PairedRun], *, maximize: bool
) -> dict[tuple[str, ...], Difference | None]:
    """Return the gain of the whole finalist over itself without each of what was left out."""
    sets = dict.fromkeys(run.left_out for run in runs if run.left_out)
    level = LEVEL / max(1, len(sets))
    full = values_by_seed(runs, ())
    gains: dict[tuple[str, ...], Difference | None] = {}
    for left_out in sets:
        without = values_by_seed(runs, left_out)
        num_common = len(full.keys() & without.keys())
        gains[left_out] = None
        if num_common:
            difference = gain(full, without, maximize=maximize, level=level)
            lacks = f"{num_common} of {len(full)} seeds" if num_common < len(full) else ""
            gains[left_out] = replace(difference, lacks=lacks)
    return gains


def _finalist(record: StudyRecord, key: str) -> tuple[ArmRecord | None, FinalistRecord | None]:
    """Return the arm and the finalist of a key like `hinet/12`."""
    for arm in record.arms:
        for finalist in arm.finalists:
            if f"{arm.name}/{finalist.trial_number}" == key:
                return arm, finalist
    return None, None
