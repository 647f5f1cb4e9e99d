"""Input worth: what each group of inputs adds on validation, and which groups a study leaves out.

Before the search, the default configuration of one arm is trained with all inputs and without each
group in turn, with paired seeds. Only means decide, so that a list of studies needs no statistics;
their intervals are those of `statistics/paired_difference.py:gain`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

from hinet_search.results.input_groups import GROUPS, groups_without
from hinet_search.results.records import ArmRecord, Scalar


@dataclass(frozen=True)
class InputRun:
    """A training of the default configuration of `arm` without the groups `left_out`.

    `value` is the objective on validation.
    """

    arm: str
    left_out: tuple[str, ...]
    seed: int
    value: float


@dataclass(frozen=True)
class InputChoice:
    """What groups are worth, and which are left out.

    `worths` maps every measured group, the best one first, to its mean gain over the paired seeds:
    positive if validation is better with it. `useless` groups have no positive worth; `together` is
    what they are worth together, None if that is not known. All of them are `dropped`, or none.
    """

    worths: Mapping[str, float]
    useless: tuple[str, ...]
    together: float | None
    dropped: tuple[str, ...]


def values_by_seed(runs: Sequence[InputRun], left_out: Collection[str]) -> dict[int, float]:
    """Return the finite values of the trainings without exactly these groups."""
    return {
        run.seed: run.value
        for run in runs
        if set(run.left_out) == set(left_out) and isfinite(run.value)
    }


def choose_inputs(runs: Sequence[InputRun], *, maximize: bool) -> InputChoice:
    """Choose the groups to leave out.

    Groups whose worth is 0 or less are dropped together, if validation is not worse without all of
    them. A group is not dropped if a training without it is missing.
    """
    groups = dict.fromkeys(run.left_out[0] for run in runs if len(run.left_out) == 1)
    worths = {group: _worth(runs, (group,), maximize=maximize) for group in groups}
    known = {group: worth for group, worth in worths.items() if worth is not None}
    in_order = sorted(known, key=lambda group: -known[group])
    useless = tuple(
        group for group in in_order if known[group] <= 0 and _is_complete(runs, (group,))
    )
    together = _worth(runs, useless, maximize=maximize) if _is_complete(runs, useless) else None
    is_dropped = together is not None and together <= 0
    return InputChoice(
        {group: known[group] for group in in_order},
        useless,
        together if useless else None,
        useless if is_dropped else (),
    )


def _worth(runs: Sequence[InputRun], left_out: Collection[str], *, maximize: bool) -> float | None:
    """Return the mean gain of all inputs over those without some; None without a common seed."""
    full, without = values_by_seed(runs, ()), values_by_seed(runs, left_out)
    gains = [full[seed] - without[seed] for seed in full if seed in without]
    if not gains:
        return None
    return fmean(gains) if maximize else -fmean(gains)


def _is_complete(runs: Sequence[InputRun], left_out: Collection[str]) -> bool:
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
    """Say what was found; `is_followed` says whether any arm has the chosen groups."""
    if not choice.worths:
        return "What the groups of inputs are worth could not be measured: all are kept."
    useful = [
        f"by {_size(worth)} with {group}"
        for group, worth in choice.worths.items()
        if group not in choice.useless
    ]
    text = f"Validation improves {', '.join(useful)}" if useful else "Validation does not improve"
    if choice.useless:
        joint = f"{', but not' if useful else ''} with {' or '.join(choice.useless)}"
        text += f"{joint} ({_fate(choice, is_followed=is_followed)})"
    return f"{text}."


def _size(worth: float) -> str:
    sign = "−" if worth < 0 else ""
    return f"{sign}{abs(worth):.4f}".replace("0.", ".", 1)


def _fate(choice: InputChoice, *, is_followed: bool) -> str:
    """Say what happens to the useless groups."""
    if choice.dropped:
        return "dropped" if is_followed else "measured only"
    if choice.together is None:
        return "kept: no model without all of them was trained"
    return f"kept: together they improve it by {_size(choice.together)}"
