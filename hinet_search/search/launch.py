"""Launch: run a checked study to its end, as the only process that writes the study's rows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from hinet_search.common import crash_points
from hinet_search.common.plugins import load
from hinet_search.common.versions import versions
from hinet_search.data.inspect.leaks import leak_suspects
from hinet_search.executors import Executor
from hinet_search.results.objectives import Objective
from hinet_search.results.study_record import Budget, StudyRecord
from hinet_search.search.artifacts import claim, refuse_files_of_another, refuse_unwritable
from hinet_search.search.coordinator import Coordinator
from hinet_search.search.identity import compare, identity
from hinet_search.search.phases.finalists import serving_limits
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.progress import Event, Watcher
from hinet_search.search.turns import FIRST_ROUND
from hinet_search.storage.engine import connect, connect_if_there
from hinet_search.storage.load import load_record
from hinet_search.storage.row_mapping import StudyRow, new_arm, utc_now
from hinet_search.storage.store import StudyStore
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.study_spec import EXECUTORS, StudySpec
from hinet_search.training.trial_config import movable


def launch(
    ready: PreparedStudy, options: LaunchOptions, command: str, watcher: Watcher
) -> StudyRecord:
    """Run or resume the study until its budget is used and its chosen finalists are scored on test.

    Errors: StudyConflict (another form of the study, or another coordinator), EnvironmentFault
    (database), AllTrialsFailed, Interrupted (by a signal; the same launch resumes).
    """
    study = ready.study
    now = identity(study, ready.dataset.fingerprint)
    stored = refuse_early(study, now, options)
    uuid = stored.uuid if stored else uuid4().hex
    with (
        closing(_started(ready, options.folder.absolute())) as executor,
        closing(connect(options.storage_url(study), create=True)) as database,
        _lease(StudyStore(database, study.name)) as store,
    ):
        artifacts = _enter(ready, store, options, _row(ready, options, command, uuid), watcher)
        Coordinator(ready, store, artifacts, watcher).run(executor)
        return load_record(database, study.name)


def _started(ready: PreparedStudy, home: Path) -> Executor:
    """Start the study's executor with its slots."""
    spec = ready.study.spec.executor
    engine = load(EXECUTORS, spec.kind)
    executor: Executor = engine.start(ready.slots, home, engine.Options(**spec.options))
    return executor


@contextmanager
def _lease(store: StudyStore) -> Iterator[StudyStore]:
    """Hold the study's lease inside the block; yield a store that renews it as it writes."""
    store.acquire_lease()
    crash_points.point("after_lease")
    try:
        yield replace(store, leased=True)
    finally:
        store.release_lease()


def _enter(
    ready: PreparedStudy, store: StudyStore, options: LaunchOptions, row: StudyRow, watcher: Watcher
) -> Path:
    """Write the study, or what is new in it; claim the folder of its files and return it."""
    study = ready.study
    stored = store.load_study()
    arms = [new_arm(arm, movable(arm.model, arm.space.ranges())) for arm in study.arms]
    artifacts = artifacts_of(study.name, options)
    refuse_files_of_another(artifacts, stored or row)
    if stored is None:
        data = replace(row.data, leaks=leak_suspects(ready.dataset))
        store.create_study(replace(row, data=data), arms)
        crash_points.point("after_study_created")
    else:
        extensions = compare(study.name, stored.spec_json, row.spec_json, extend=options.extend)
        for line in extensions:
            watcher.event(Event("extended", line))
        store.continue_study(_continued(stored, row, is_wider=bool(extensions)), arms)
    claim(artifacts, stored or row, store.database.url)
    return artifacts


def _continued(stored: StudyRow, row: StudyRow, *, is_wider: bool) -> StudyRow:
    """Return the row of a launch that continues a study; what is done stays done.

    A study that is done stays so, with its verdict, unless the launch asks for more; the
    coordinator opens it again if there is work nevertheless.
    """
    if row.budget.seconds is not None:  # its trials are those that the rounds allowed
        row = replace(row, budget=replace(row.budget, trials=stored.budget.trials))
    if stored.state != "done" or is_wider or stored.budget != row.budget:
        return row
    return replace(row, state=stored.state, verdict=stored.verdict)


def _row(ready: PreparedStudy, options: LaunchOptions, command: str, uuid: str) -> StudyRow:
    study = ready.study
    spec = ready.study.spec
    pruner: str = spec.pruner.kind
    if pruner != "none":
        pruner = f"{spec.pruner.kind} after {spec.pruner.after_epochs:g} epochs"
    return StudyRow(
        name=study.name,
        uuid=uuid,
        state="running",
        spec_json=identity(study, ready.dataset.fingerprint),
        study_yaml=options.recorded(study.file.text),
        command=command,
        description=spec.description,
        objective=spec.objective,
        maximize=Objective(spec.objective).maximize,
        sampler=spec.sampler.kind,
        pruner=pruner,
        seed=spec.seed,
        slots=ready.slots,
        budget=_budget(spec),
        data=ready.dataset.record,
        versions=versions(),
        started=utc_now(),
        updated=utc_now(),
        reference=spec.reference,
        other_objectives=spec.other_objectives,
    )


def _budget(spec: StudySpec) -> Budget:
    trials = spec.trials
    seconds = None
    if spec.budget is not None:
        trials = FIRST_ROUND
        seconds = spec.budget * 60
    return Budget(
        trials=trials,
        epochs=spec.epochs,
        finalist_seeds=spec.finalists.seeds,
        finalist_top=spec.finalists.top,
        cost_limit=spec.cost_limit,
        margin=spec.comparison.margin,
        student_trials=spec.teaching.trials if spec.teaching else 0,
        serving=serving_limits(spec),
        refit=spec.finalists.refit,
        finalist_default=spec.finalists.default,
        student_top=spec.teaching.top if spec.teaching else 1,
        seconds=seconds,
    )


def refuse_early(study: ResolvedStudy, now: str, options: LaunchOptions) -> StudyRow | None:
    """Return the stored row of the study, if any; write nothing. Checked again under the lease.

    Errors: StudyConflict or EnvironmentFault where a launch of the study, whose identity is `now`,
    could not succeed, as when a live process runs it.
    """
    artifacts = artifacts_of(study.name, options)
    stored = None
    if database := connect_if_there(options.storage_url(study)):
        with closing(database):
            store = StudyStore(database, study.name)
            store.refuse_held()
            stored = store.load_study()
    if stored is not None:
        compare(study.name, stored.spec_json, now, extend=options.extend)
    refuse_files_of_another(artifacts, stored)
    refuse_unwritable(artifacts)
    return stored


def artifacts_of(name: str, options: LaunchOptions) -> Path:
    """Return the folder of a study's weights and checkpoints."""
    return options.folder.absolute() / "artifacts" / name
