"""Identity: what two launches of one study must share, and their differences in words.

Trials, finalist seeds, slots, device and limits may change. A change of the identity would mix two
experiments. The only change that a user may ask for is an extension: more arms, wider ranges,
higher limits.
"""

import json
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.common.frozen_model import ALL
from hinet_search.storage.damage import REMEDY
from hinet_search.study.distributions import FloatRange, IntRange
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.search_space import SearchSpace

ANOTHER = "give the study another name (key 'name'), or another --output"


def identity(study: ResolvedStudy, fingerprint: str) -> str:
    """Return the identity of a study as JSON."""
    spec = study.spec
    tree = {
        "data": fingerprint,
        "objective": spec.objective,
        "seed": spec.seed,
        "cost_limit": spec.cost_limit,
        "arms": {arm.name: _arm(arm) for arm in study.arms},
    }
    if spec.sample != ALL:
        tree["sample"] = spec.sample
    if spec.other_objectives:
        tree["objectives"] = spec.objectives
    return json.dumps(tree, sort_keys=True)


def compare(name: str, stored: str, now: str, *, extend: bool) -> tuple[str, ...]:
    """Describe how identity `now` of a study extends the `stored` one.

    StudyConflict when they differ in any other way, or without `extend`; EnvironmentFault when the
    stored one is damaged.
    """
    try:
        extensions = extension(stored, now)
        if extensions is None:
            refuse_difference(name, stored, now)
            return ()
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise EnvironmentFault(
            "the stored form of the study (table hs_study, column spec_json) is damaged: "
            f"{type(error).__name__}: {error}",
            remedy=REMEDY,
        ) from error
    if extensions and not extend:
        lines = [f"study '{name}' exists in a narrower form: {line}" for line in extensions]
        raise StudyConflict(*lines, remedy=f"--extend resumes it with these changes; or {ANOTHER}")
    return extensions


def refuse_difference(name: str, stored: str, now: str) -> None:
    """Raise StudyConflict with one line per difference."""
    before = json.loads(stored)
    after = json.loads(now)
    lines = [
        *(f"study '{name}' exists with arm {arm}" for arm in _only_in(before, after)),
        *(f"study '{name}' exists without arm {arm}" for arm in _only_in(after, before)),
    ]
    before = _settings(before)
    after = _settings(after)
    for key in sorted({*before, *after}):
        old = before.get(key, "nothing")
        new = after.get(key, "nothing")
        if old != new:
            lines.append(f"study '{name}' exists with another {key}: stored {old}, now {new}")
    if lines:
        raise StudyConflict(*lines, remedy=ANOTHER)


def _only_in(form: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Take the arms out of a form that the other one lacks; return their names."""
    names = sorted(set(form["arms"]) - set(other["arms"]))
    for name in names:
        del form["arms"][name]
    return names


def _arm(arm: Arm) -> dict[str, Any]:
    parameters = arm.space.parameters
    return {
        "model": arm.model,
        "size_of": arm.size_of,
        "max_parameters": arm.space.max_parameters,
        "fixed": dict(arm.space.fixed),
        "parameters": {name: each.model_dump(mode="json") for name, each in parameters.items()},
    }


def _settings(tree: dict[str, Any]) -> dict[str, str]:
    """Return every setting of an identity, by its name in words, as JSON."""
    settings: dict[str, Any] = {}
    for arm, parts in tree.pop("arms").items():
        fixed = parts.pop("fixed")
        parameters = parts.pop("parameters")
        settings |= {f"arms {arm} {name}": value for name, value in {**parts, **parameters}.items()}
        settings |= {f"arms {arm} fixed {name}": value for name, value in fixed.items()}
    return {name: json.dumps(value) for name, value in {**tree, **settings}.items()}


def extension(stored: str, now: str) -> tuple[str, ...] | None:
    """Describe how identity `now` extends `stored`; None when they differ in any other way."""
    before = json.loads(stored)
    after = json.loads(now)
    for parts in before["arms"].values():  # raises here if a part is not as `_arm` writes it
        _ = parts["model"], parts["fixed"].items(), parts["parameters"].items()
    words: list[str] = []
    for arm in sorted(set(after["arms"]) - set(before["arms"])):
        del after["arms"][arm]
        words.append(
            f"arm {arm} is new: it gets the trials and finalists of every arm, "
            "and is opened on test too"
        )
    for arm in sorted(set(after["arms"]) & set(before["arms"])):
        _undo_wider(before["arms"][arm], after["arms"][arm], arm, words)
    _undo_higher(before, after, "cost_limit", "the study", words)
    return tuple(words) if before == after else None


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the distribution of every parameter as Optuna's classes."""
    known: dict[str, BaseDistribution] = {}
    for name, ours in space.parameters.items():
        if isinstance(ours, IntRange):
            step = ours.step or 1
            known[name] = IntDistribution(ours.low, ours.high, log=ours.log, step=step)
        elif isinstance(ours, FloatRange):
            known[name] = FloatDistribution(ours.low, ours.high, log=ours.log, step=ours.step)
        else:
            known[name] = CategoricalDistribution(tuple(ours.choices))
    return known


def _undo_wider(before: dict[str, Any], after: dict[str, Any], arm: str, words: list[str]) -> None:
    """Undo in `after` every wider parameter of an arm, and a higher limit, and describe each."""
    _undo_higher(before, after, "max_parameters", f"arm {arm}", words)
    stored = before["parameters"]
    now = after["parameters"]
    for name in now:
        if name in stored and _is_wider(stored[name], now[name]):
            change = f"from {_values(stored[name])} to {_values(now[name])}"
            words.append(f"{name} of {arm} goes {change}; trials so far were drawn from the former")
            now[name] = stored[name]


def _undo_higher(
    before: dict[str, Any], after: dict[str, Any], limit: str, place: str, words: list[str]
) -> None:
    """Undo in `after` a limit that was raised or removed, and describe the change."""
    old = before[limit]
    new = after[limit]
    if old is not None and (new is None or new > old):
        now = "none" if new is None else f"{new:,}"
        change = f"from {old:,} to {now}"
        words.append(f"{limit} of {place} goes {change}; draws refused so far stay refused")
        after[limit] = old


def _is_wider(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether `after` has every value of `before`, and more, and is otherwise the same."""
    values = ("low", "high", "choices")
    if before == after or any(before[key] != after.get(key) for key in before if key not in values):
        return False
    if before["kind"] == "widths":
        return bool(before["choices"].items() <= after["choices"].items())
    if before["kind"] == "categorical":
        return set(map(json.dumps, before["choices"])) < set(map(json.dumps, after["choices"]))
    steps = (before["low"] - after["low"]) / (before["step"] or 1)
    is_on_the_grid = before["step"] is None or abs(steps - round(steps)) <= 1e-9
    return is_on_the_grid and bool(
        after["low"] <= before["low"] and before["high"] <= after["high"]
    )


def _values(distribution: dict[str, Any]) -> str:
    if "choices" in distribution:
        return f"{len(distribution['choices'])} choices"
    return f"{distribution['low']:g}..{distribution['high']:g}"
