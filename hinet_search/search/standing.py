"""Standing: what is stored of a study before it is launched, and what the machine lacks for it. Only reads."""

import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hinet_search.data.checks import available_memory
from hinet_search.search.extension import extension
from hinet_search.search.identity import identity, refuse_difference
from hinet_search.search.options import LaunchOptions
from hinet_search.search.plan import Plan, Ready
from hinet_search.storage.engine import connect_if_there
from hinet_search.storage.listing import list_studies
from hinet_search.storage.store import StudyStore

GIGABYTE = 1024**3


@dataclass(frozen=True)
class Standing:
    """A study that a launch would go on with. `wider` says in what the study goes beyond it, which needs --extend."""

    state: str
    done: int
    budget: int
    wider: tuple[str, ...] = ()


def standing(ready: Ready, options: LaunchOptions) -> Standing | None:
    """What is stored under the study's name; None for nothing, and in tables of an older version, which a launch changes.

    Errors: those of connect_if_there, and StudyConflict when it is another study.
    """
    study = ready.study
    database = connect_if_there(options.storage_url(study))
    if database is None:
        return None
    with closing(database):
        stored = StudyStore(database, study.name).load_study()
        if stored is None:
            return None
        now = identity(study, ready.dataset.fingerprint)
        wider = extension(stored.spec_json, now)
        if wider is None:
            refuse_difference(study.name, stored.spec_json, now)
        (found,) = [one for one in list_studies(database) if one.name == study.name]
    return Standing(found.state, found.done, len(study.arms) * study.spec.trials, wider or ())


def shortages(plan: Plan, folder: Path) -> list[str]:
    """What a launch into `folder` would run out of, in words."""
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    found = []
    if plan.ready.device.device.type == "cpu" and plan.memory_bytes > (free := available_memory()):
        found.append(f"memory: {_size(plan.memory_bytes)} are needed and {_size(free)} are free: use fewer slots")
    if plan.disk_bytes > (free := shutil.disk_usage(place).free):
        found.append(
            f"disk: {_size(plan.disk_bytes)} are needed and {_size(free)} are free in {place}: name another --output"
        )
    return found


def _size(num_bytes: int) -> str:
    return f"{num_bytes / GIGABYTE:.1f} GB"
