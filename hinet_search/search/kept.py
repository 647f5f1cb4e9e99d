"""Kept: what a probe found, beside the encoded data, for a day and while nothing that it depends on has changed.

Only what is measured is kept: all that can be wrong with a study is checked every time.
"""

import hashlib
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from hinet_search import disk
from hinet_search.errors import DiskFull
from hinet_search.plugins import allowed
from hinet_search.search.options import num_cores
from hinet_search.search.plan import PROBE_SECONDS, ArmPlan, Plan, Ready, make_plan
from hinet_search.study import Arm

KEPT_SECONDS = 86_400.0  # another day the machine may be busy with something else
FOLDER = "plans"
_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Found:
    """Content of a file: the figures of every arm, and how long it took to find them."""

    arms: tuple[ArmPlan, ...]
    probe_seconds: float


_FOUND = TypeAdapter(Found)


def planned(ready: Ready, probe_seconds: float = PROBE_SECONDS) -> Plan:
    """The plan with figures of a whole probe that is kept; else `make_plan`, kept unless it was in a hurry."""
    file = ready.dataset.folder.parent / FOLDER / f"{_key(ready)}.json"
    found = _read(file)
    if found is not None:
        return Plan(ready, found.arms, found.probe_seconds)
    plan = make_plan(ready, probe_seconds)
    if probe_seconds >= PROBE_SECONDS and not allowed():  # a plug-in's code may change unseen
        _write(file, Found(plan.arms, plan.probe_seconds))
    return plan


def _read(file: Path) -> Found | None:
    """None where there is none, it is old, or it is not what was written."""
    try:
        young = time.time() - file.stat().st_mtime < KEPT_SECONDS
        return _FOUND.validate_json(file.read_bytes()) if young else None
    except (OSError, ValidationError):
        return None


def _write(file: Path, found: Found) -> None:
    """Where it cannot be written the next check takes its time again."""
    content = _FOUND.dump_json(found, indent=1)
    with suppress(OSError, DiskFull), disk.replacing(file, len(content)) as part:
        part.write_bytes(content)


def _key(ready: Ready) -> str:
    """Differs where code, libraries, machine, data, or the study does."""
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
    return arm.name, arm.model, arm.size_of, dict(space.parameters), dict(space.fixed), space.max_parameters


def _code() -> str:
    """Of the whole package: a model, an optimiser or the probe itself may have changed."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
