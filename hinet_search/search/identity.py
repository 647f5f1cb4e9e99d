"""Identity: what must stay the same for two launches to be one study, and the difference in words when it does not.

Trials, finalist seeds, slots, device and limits may change; a change of anything here would mix two experiments.
"""

import json
from collections.abc import Iterable
from typing import Any

from hinet_search.errors import StudyConflict
from hinet_search.study import Arm, Study

ANOTHER = "give the study another name (key 'name'), or another --output"


def identity(study: Study, fingerprint: str) -> str:
    """The identity as JSON."""
    spec = study.spec
    tree = {
        "data": fingerprint,
        "objective": spec.objective,
        "seed": spec.seed,
        "cost_limit": spec.cost_limit,
        "arms": {arm.name: _arm(arm) for arm in study.arms},
    }
    if spec.finalists.shared_batches:
        tree["shared_batches"] = True  # the spread between seeds is of another kind
    return json.dumps(tree, sort_keys=True)


def refuse_difference(name: str, stored: str, now: str) -> None:
    """StudyConflict with one line per difference."""
    before, after = _settings(stored), _settings(now)
    lines = [
        f"study '{name}' exists with another {key}: stored {before.get(key, 'nothing')}, now {after.get(key, 'nothing')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    if lines:
        raise StudyConflict(*lines, remedy=ANOTHER)


def refuse_extension(name: str, words: Iterable[str]) -> None:
    """StudyConflict with one line for each of the ways in which a study is wider than its stored form."""
    if lines := [f"study '{name}' exists in a narrower form: {line}" for line in words]:
        raise StudyConflict(*lines, remedy=f"--extend goes on with it so; or {ANOTHER}")


def _arm(arm: Arm) -> dict[str, Any]:
    space = arm.space
    return {
        "model": arm.model,
        "size_of": arm.size_of,
        "max_parameters": space.max_parameters,
        "fixed": {name: list(value) if isinstance(value, tuple) else value for name, value in space.fixed.items()},
        "parameters": {name: distribution.model_dump(mode="json") for name, distribution in space.parameters.items()},
    }


def _settings(identity: str) -> dict[str, str]:
    """Every setting of an identity by its name in words, as JSON."""
    tree = json.loads(identity)
    found: dict[str, Any] = {}
    for arm, parts in tree.pop("arms").items():
        fixed, parameters = parts.pop("fixed"), parts.pop("parameters")
        found |= {f"arms {arm} {name}": value for name, value in {**parts, **parameters}.items()}
        found |= {f"arms {arm} fixed {name}": value for name, value in fixed.items()}
    return {name: json.dumps(value) for name, value in {**tree, **found}.items()}
