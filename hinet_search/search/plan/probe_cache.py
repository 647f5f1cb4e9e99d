"""Probe cache: keep a probe's results beside the encoded data, for a day and for the same inputs.

Only measurements are cached: the checks of a study run every time.
"""

import hashlib
import platform
import time
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import DiskFull
from hinet_search.common.files import replacing
from hinet_search.common.plugins import allowed
from hinet_search.search.plan.plan import PROBE_SECONDS, ArmPlan, Plan, PreparedStudy, make_plan
from hinet_search.study.launch_options import num_cores
from hinet_search.study.load_study import Arm

CACHE_SECONDS = 86_400.0  # a day later the machine may be another one under its name
FOLDER = "plans"
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True)
class CachedProbe:
    """Content of a file: the figures of every arm, and the seconds spent on measuring them."""

    arms: tuple[ArmPlan, ...]
    probe_seconds: float


_CACHED_PROBE = TypeAdapter(CachedProbe)


def cached_plan(ready: PreparedStudy, probe_seconds: float = PROBE_SECONDS) -> Plan:
    """Return the plan from cached figures, or probe with `make_plan` and cache the figures.

    Figures of a probe shorter than PROBE_SECONDS are not cached.
    """
    file = ready.dataset.folder.parent / FOLDER / f"{_key(ready)}.json"
    with suppress(OSError, ValidationError):  # there is none, or it is damaged
        if time.time() - file.stat().st_mtime < CACHE_SECONDS:
            cached = _CACHED_PROBE.validate_json(file.read_bytes())
            return fit_budget(Plan(ready, cached.arms, cached.probe_seconds))
    plan = make_plan(ready, probe_seconds)
    if probe_seconds >= PROBE_SECONDS and not allowed():  # a plug-in's code may change unseen
        content = _CACHED_PROBE.dump_json(CachedProbe(plan.arms, plan.probe_seconds), indent=1)
        with suppress(OSError, DiskFull), replacing(file, len(content)) as part:
            part.write_bytes(content)
    return fit_budget(plan)


def _key(ready: PreparedStudy) -> str:
    """Return a key that changes with the code, libraries, machine, data and study."""
    spec = ready.study.spec
    parts = (
        _code(),
        torch.__version__,
        platform.node(),
        platform.processor(),
        num_cores(),
        torch.cuda.get_device_name() if ready.device.device.type == "cuda" else "cpu",
        ready.dataset.fingerprint,
        spec.model_dump_json(exclude={"description"}),
        [_arm(arm) for arm in ready.study.arms],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _arm(arm: Arm) -> tuple[object, ...]:
    space = arm.space
    return (
        arm.name,
        arm.model,
        arm.size_of,
        dict(space.parameters),
        dict(space.fixed),
        space.max_parameters,
    )


def _code() -> str:
    """Hash the whole package: a model, an optimiser or the probe itself may have changed."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def fit_budget(plan: Plan) -> Plan:
    """Return the plan with the trials that fit into the study's budget of time, at least one.

    A launch goes by what its trials really take: pruning makes room for more. It trains the default
    of every arm in any case.
    """
    budget = plan.ready.study.spec.budget
    if budget is None:
        return plan
    numbers = range(1, max(arm.trials for arm in plan.arms) + 1)
    fitting = bisect_right(numbers, 60 * budget, key=lambda n: _with_trials(plan, n).seconds)
    return _with_trials(plan, max(1, fitting))


def _with_trials(plan: Plan, trials: int) -> Plan:
    most = plan.ready.study.spec.finalists.most(trials)
    arms = []
    for arm in plan.arms:
        finalists = min(arm.finalists, most)
        arms.append(replace(arm, trials=min(arm.trials, trials), finalists=finalists))
    return replace(plan, arms=tuple(arms))
