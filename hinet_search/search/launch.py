"""Launch: from a checked study to a finished one. The only process that writes the study's database."""

import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from hinet_search import faults
from hinet_search.compare import verdict
from hinet_search.data.leaks import leak_suspects
from hinet_search.executors import Executor
from hinet_search.objective import Objective
from hinet_search.plugins import load
from hinet_search.records import Budget, Scalar, StudyRecord
from hinet_search.search.artifacts import claim, refuse_files_of_another
from hinet_search.search.coordinator import Coordinator
from hinet_search.search.extension import distributions
from hinet_search.search.identity import identity
from hinet_search.search.options import LaunchOptions
from hinet_search.search.plan import Ready
from hinet_search.search.progress import Event, Watcher
from hinet_search.search.refusal import artifacts_of, refuse_early, refuse_other
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
    stored = refuse_early(study, _identity(ready), options)
    uuid = stored.uuid if stored else uuid4().hex
    with (
        closing(_started(ready, options.folder.absolute(), uuid)) as executor,
        _open(options.storage_url(study), watcher) as database,
        _lease(StudyStore(database, study.name)) as store,
    ):
        artifacts = _enter(ready, store, options, _row(ready, options, command, uuid), watcher)
        Coordinator(ready, store, artifacts, watcher).run(executor)
        record = load_record(database, study.name)
        store.set_verdict(verdict(record).sentence)
        return record


def _started(ready: Ready, home: Path, uuid: str) -> Executor:
    """The study's executor with its slots."""
    spec = ready.study.spec.executor
    engine = load(EXECUTORS, spec.kind)
    started: Executor = engine.start(ready.slots, home, engine.Options(**spec.options), f"{ready.study.name}-{uuid}")
    return started


@contextmanager
def _open(url: str, watcher: Watcher) -> Iterator[Database]:
    database = connect(url, create=True, say=lambda text: watcher.event(Event("database", text)))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _lease(store: StudyStore) -> Iterator[StudyStore]:
    """The store of a study that nobody else runs meanwhile."""
    store.acquire_lease()
    faults.point("after_lease")
    try:
        yield replace(store, leased=True)
    finally:
        store.release_lease()


def _enter(ready: Ready, store: StudyStore, options: LaunchOptions, row: StudyRow, watcher: Watcher) -> Path:
    """Writes the study, or what is new in it; the folder of its files, which is its own from then on."""
    study, stored = ready.study, store.load_study()
    arms = [_arm_row(arm) for arm in study.arms]
    artifacts = artifacts_of(study.name, options)
    refuse_files_of_another(artifacts, stored or row)
    if stored is None:
        data = replace(row.data, leaks=leak_suspects(ready.dataset))
        store.create_study(replace(row, data=data), arms)
        faults.point("after_study_created")
    else:
        for line in refuse_other(study.name, stored.spec_json, row.spec_json, extend=options.extend):
            watcher.event(Event("extended", line))
        store.continue_study(row, arms, {arm.name: distributions(arm.space) for arm in study.arms})
    claim(artifacts, stored or row, store.database.url)
    return artifacts


def _identity(ready: Ready) -> str:
    return identity(ready.study, ready.dataset.fingerprint)


def _row(ready: Ready, options: LaunchOptions, command: str, uuid: str) -> StudyRow:
    study, spec = ready.study, ready.study.spec
    return StudyRow(
        name=study.name,
        uuid=uuid,
        state="running",
        spec_json=_identity(ready),
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
