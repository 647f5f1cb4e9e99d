"""Stored study: read what is stored of a study before a launch, and what the machine lacks."""

import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import EnvironmentFault
from hinet_search.data.checks import available_memory
from hinet_search.search.identity import compare, identity
from hinet_search.search.plan.plan import Plan, PreparedStudy
from hinet_search.storage.damage import REMEDY
from hinet_search.storage.engine import connect_if_there
from hinet_search.storage.listing import list_studies
from hinet_search.storage.store import StudyStore
from hinet_search.study.launch_options import LaunchOptions


@dataclass(frozen=True)
class StoredStudy:
    """A stored study that a launch would resume.

    `wider` describes how the new study extends it, which needs --extend.
    """

    state: str
    done: int
    budget: int
    wider: tuple[str, ...] = ()


def find_stored_study(ready: PreparedStudy, options: LaunchOptions) -> StoredStudy | None:
    """Return what is stored under the study's name.

    None when nothing is stored.
    Errors: those of connect_if_there, and StudyConflict when it is another study.
    """
    study = ready.study
    database = connect_if_there(options.storage_url(study))
    if database is None:
        return None
    with closing(database):
        store = StudyStore(database, study.name)
        stored = store.load_study()
        if stored is None:
            return None
        now = identity(study, ready.dataset.fingerprint)
        wider = compare(study.name, stored.spec_json, now, extend=True)
        (summary,) = [listed for listed in list_studies(database) if listed.name == study.name]
        if summary.damage:
            raise EnvironmentFault(summary.damage, remedy=REMEDY)
        budget = summary.budget  # in time, it is what the last round allowed
        if study.spec.budget is None:
            budget = 0
            for arm in study.arms:
                begun = sum(trial.counts for trial in store.trials(arm.name))
                budget += max(arm.most_trials(study.spec), begun)
    return StoredStudy(summary.state, summary.done, budget, wider)


def shortages(plan: Plan, folder: Path) -> list[str]:
    """Say what a launch into `folder` would run out of: memory, that of a GPU, disk."""
    path = folder.absolute()
    place = next(parent for parent in (path, *path.parents) if parent.is_dir())
    lines = []
    device_memory = plan.ready.device_memory
    if device_memory and (problem := device_memory.shortage(plan.training_bytes)):
        lines.append(problem)
    if plan.ready.device.device.type == "cpu":
        free = available_memory()
        if plan.memory_bytes > free:
            lines.append(
                f"memory: {byte_size(plan.memory_bytes)} are needed and "
                f"{byte_size(free)} are free: use fewer slots"
            )
    free = shutil.disk_usage(place).free
    if plan.disk_bytes > free:
        lines.append(
            f"disk: {byte_size(plan.disk_bytes)} are needed and "
            f"{byte_size(free)} are free in {place}: name another --output"
        )
    return lines
