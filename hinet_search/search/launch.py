"""Launch: from a checked study to a finished one. The only process that writes the study's database."""

import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from hinet_search.objective import Objective
from hinet_search.plugins import load
from hinet_search.records import Budget, Scalar, StudyRecord
from hinet_search.search.coordinator import Coordinator
from hinet_search.search.identity import identity, refuse_difference
from hinet_search.search.options import LaunchOptions
from hinet_search.search.plan import Ready
from hinet_search.search.progress import Watcher
from hinet_search.storage.clock import utc_now
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.load import load_record
from hinet_search.storage.rows import ArmRow, StudyRow
from hinet_search.storage.store import StudyStore
from hinet_search.study import EXECUTORS, Arm

LIBRARIES = ("hinet-search", "torch", "optuna", "polars", "numpy", "scikit-learn")


def launch(ready: Ready, options: LaunchOptions, command: str, watcher: Watcher) -> StudyRecord:
    """Run or continue the study until its budget is used, its finalists are trained and the chosen ones opened on test.

    Errors: StudyConflict (another form of the study, or another coordinator), EnvironmentFault (database),
    AllTrialsFailed, Interrupted (by a signal; the same launch continues).
    """
    study = ready.study
    with _open(options.storage_url(study)) as database:
        store = StudyStore(database, study.name)
        with _lease(store):
            _create_or_continue(ready, store, options, command)
            artifacts = options.folder / "artifacts" / study.name
            Coordinator(ready, store, artifacts, watcher).run(load(EXECUTORS, study.spec.executor).start)
            return load_record(database, study.name)


@contextmanager
def _open(url: str) -> Iterator[Database]:
    database = connect(url, create=True)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _lease(store: StudyStore) -> Iterator[None]:
    """Nobody else runs this study meanwhile."""
    store.acquire_lease()
    try:
        yield
    finally:
        store.release_lease()


def _create_or_continue(ready: Ready, store: StudyStore, options: LaunchOptions, command: str) -> None:
    study, row = ready.study, _row(ready, options, command)
    stored = store.load_study()
    if stored is None:
        store.create_study(row, [_arm_row(arm) for arm in study.arms])
    else:
        refuse_difference(study.name, stored.spec_json, row.spec_json)
        store.continue_study(row)


def _row(ready: Ready, options: LaunchOptions, command: str) -> StudyRow:
    study, spec = ready.study, ready.study.spec
    return StudyRow(
        name=study.name,
        state="running",
        spec_json=identity(study, ready.dataset.fingerprint),
        study_yaml=options.recorded(study.file.text),
        command=command,
        description=spec.description,
        objective=spec.objective,
        maximize=Objective(spec.objective).maximize,
        sampler=spec.sampler.kind,
        pruner=f"{spec.pruner.kind} after {spec.pruner.after_passes:g} passes"
        if spec.pruner.kind != "none"
        else "none",
        seed=spec.seed,
        slots=ready.slots,
        budget=Budget(
            trials=spec.trials,
            passes=spec.passes,
            finalist_seeds=spec.finalists.seeds,
            finalist_top=spec.finalists.top,
            cost_limit=spec.cost_limit,
            wall_clock_seconds=None if spec.wall_clock_minutes is None else spec.wall_clock_minutes * 60,
        ),
        data=ready.dataset.record,
        versions=versions(),
        started=utc_now(),
        updated=utc_now(),
        reference=spec.reference,
    )


def _arm_row(arm: Arm) -> ArmRow:
    fixed: dict[str, Scalar] = {
        name: "-".join(str(width) for width in value) if isinstance(value, tuple) else value
        for name, value in arm.space.fixed.items()
    }
    return ArmRow(arm.name, arm.model, arm.space.ranges(), fixed, size_of=arm.size_of)


def versions() -> Mapping[str, str]:
    """What the numbers of a study depend on beside its file."""
    found = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    commit = _git_commit()
    return {**found, "git commit": commit} if commit else found


def _git_commit() -> str:
    """The commit of the checkout this package runs from, or nothing when it was installed."""
    root = Path(__file__).resolve().parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    asked = subprocess.run(
        [git, "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
