"""API: one call each for the command line and for Python, from check to export and train.

Training imports torch (2 s), comparisons import scipy and the database SQLAlchemy (0.2 s each).
Only the calls that need them import them: a status needs neither torch nor scipy, a report does not
need torch. What can be wrong without torch is refused before it is imported.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hinet_search.common.errors import ConfigurationError, StudyConflict
from hinet_search.common.plugins import allow_only
from hinet_search.common.quiet import say_nothing
from hinet_search.report.formats import write_report
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.progress import Event, Watcher
from hinet_search.serving.sealed import require_exported
from hinet_search.study.checked_call import checked_call
from hinet_search.study.find_file import is_known, shadowed
from hinet_search.study.launch_options import LaunchOptions, call_text, refuse_places_of_the_file
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.study_spec import Device

if TYPE_CHECKING:
    from hinet_search.search.plan.forecast import Plan
    from hinet_search.search.plan.prepare import PreparedStudy
    from hinet_search.serving.choice import ExportChoice
    from hinet_search.serving.export import Export
    from hinet_search.serving.model_folder import LoadedModel
    from hinet_search.serving.predict import Prediction
    from hinet_search.serving.rebuild import LoadedStudy


def ready(
    study: str,
    options: LaunchOptions,
    say: Callable[[str], None] = say_nothing,
    *,
    to_launch: bool = True,
) -> "PreparedStudy":
    """Load and check a study and encode its data.

    `say` is called with a line before each long step, and for every shipped file that a file of the
    user hides. Without `to_launch` the study's file alone may name a cluster, and the database is
    not opened: arms lack what other studies and earlier launches let them try first.
    """
    allow_only(options.plugins)
    loaded = options.load(study)
    if to_launch:
        refuse_places_of_the_file(loaded)

    from hinet_search.training.setting_names import refuse_wrong_settings

    refuse_wrong_settings(loaded)

    from hinet_search.data.study_data import refuse_missing_columns

    refuse_missing_columns(loaded, options.cache, say)

    from hinet_search.search.plan.prepare import prepare_study
    from hinet_search.search.warm_start import warm_started

    _report_hidden_files(study, loaded, say)
    prepared = prepare_study(loaded, options.cache, options.folder, say)
    return warm_started(prepared, options, say) if to_launch else prepared


def _report_hidden_files(name: str, study: ResolvedStudy, say: Callable[[str], None]) -> None:
    """Report files of the user that have the name of a shipped one, perhaps by chance."""
    hidden = shadowed("studies", name, None)
    if hidden is not None:
        say(f"{name} is {hidden[0]}, which hides the shipped {hidden[1].name}")
    spaces = {study.spec.arms[arm.name].space or arm.space.name for arm in study.arms}
    for space in sorted(spaces):
        hidden = shadowed("spaces", space, study.folder)
        if hidden is not None:
            own, shipped = hidden
            say(f"space {space} is {own}, which hides the shipped {shipped.name}")


@checked_call
def check(study: str, **options: Any) -> "Plan":
    """Check a study by name or path without running it, with the options of `LaunchOptions`."""
    from hinet_search.search.plan.forecast import make_plan

    return make_plan(ready(study, LaunchOptions.of_call(options)))


@checked_call
def launch(study: str, *, watcher: Watcher | None = None, **options: Any) -> StudyRecord:
    """Run or resume a study by name or path and write its report.

    Options are the fields of `LaunchOptions`. Without `variant` it runs the first one of the study.
    Without a watcher a notebook shows the progress, and a script prints a line per event.
    """
    from hinet_search.search.notebook_progress import watching

    launch_options = LaunchOptions.of_call(options)
    with watching(watcher) as seen:
        say = say_nothing if watcher is not None else partial(_say_prepared, seen)
        checked = ready(study, launch_options, say)
        return launch_ready(checked, launch_options, call_text("launch", study, options), seen)


def _say_prepared(watcher: Watcher, text: str) -> None:
    watcher.event(Event("prepare", text))


def launch_ready(
    checked: "PreparedStudy", options: LaunchOptions, command: str, watcher: Watcher
) -> StudyRecord:
    """Launch a study that `ready` returned."""
    from hinet_search.search.launch import launch as run

    path = report_path(checked.study, options)
    record = run(checked, options, command, watcher)
    write_report(record, path)
    return record


@checked_call
def load(study: str, *, trial_cells: bool = False, **options: Any) -> StudyRecord:
    """Load the stored record of a study.

    Options `storage` and `output` say where it is; `trial_cells` is as for `load_record`.
    """
    from hinet_search.storage.engine import connect
    from hinet_search.storage.load import load_record

    name, url = LaunchOptions.of_call(options).stored_name(study)
    database = connect(url)
    try:
        return load_record(database, name, trial_cells=trial_cells)
    finally:
        database.close()


def split_target(target: str) -> tuple[str, str | None]:
    """Split `STUDY/ARM` into study and arm; if the complete text is a study, there is no arm."""
    study, slash, arm = target.rpartition("/")
    is_study = Path(target).suffix in (".yaml", ".yml") or is_known("studies", target)
    return (target, None) if is_study or not slash else (study, arm)


@checked_call
def export(  # noqa: PLR0913  what to export, and in which form
    study: str,
    to: str | PathLike[str],
    *,
    arm: str | None = None,
    seeds: Literal["best", "all"] = "best",
    calibrated: bool = True,
    at: str | None = None,
    onnx: bool = False,
    say: Callable[[str], None] = say_nothing,
    **options: Any,
) -> "Export":
    """Write a finalist or the ensemble as a folder that scores new rows, checked on test rows.

    `arm` is the name of an arm, of a student, or `ensemble`; without it the study decides what is
    exported. `at` (`5ms`, `flops_per_row=2000000`) takes the best finalist on validation within
    that limit. Its probabilities are calibrated where the study has shown a gain, unless
    `calibrated` is false. `onnx` adds the model as an ONNX graph (docs/ship.md).
    Options are `storage`, `output`, `size`, `variant` and `settings` of the launch.
    `say` is called with a line before each long step.
    Errors: as of `choose`, `choose_at`, `_stored` and `serving.export`; then nothing is written.
    """
    from hinet_search.serving.choice import check_graph, choose, choose_at, limit_of

    launch_options = LaunchOptions.of_call(options)
    allow_only(launch_options.plugins)
    limit = None if at is None else limit_of(at)
    record = load(study, **options)

    from hinet_search.serving import export as serving

    folder = Path(to)
    serving.refuse_full(folder)
    choice = choose_at(record, arm, seeds, limit) if limit else choose(record, arm, seeds)
    if onnx:
        check_graph(choice)
    if not calibrated:
        choice = dataclasses.replace(choice, calibration=None)
    reason = f", {choice.why}" if choice.why else ""
    say(f"exporting {record.name}/{choice.name}, {choice.title}{reason}")
    stored = _stored(study, record, launch_options, say)
    return serving.export(stored, choice, folder, partial(_card, record), onnx=onnx)


def _card(record: StudyRecord, exported: "ExportChoice", notes: Sequence[str]) -> str:
    """Return the model card of what is exported; `notes` extend its limits."""
    from hinet_search.report.model_card import ensemble_card, model_card

    if exported.is_ensemble:
        return ensemble_card(record, notes, exported.calibration)
    which = exported.trial, exported.why
    return model_card(record, exported.name, exported.seeds, notes, which, exported.calibration)


def _stored(
    study: str, record: StudyRecord, options: LaunchOptions, say: Callable[[str], None]
) -> "LoadedStudy":
    """Return a stored study with its file, data and weights.

    Errors: ConfigurationError without its file, StudyConflict if data or weights are not those of
    its launch.
    """
    from hinet_search.data.study_data import dataset_of, fingerprint_of
    from hinet_search.search.artifacts import refuse_files_of_another
    from hinet_search.search.plan.check_study import try_study
    from hinet_search.serving.rebuild import LoadedStudy
    from hinet_search.storage.engine import connect
    from hinet_search.storage.store import StudyStore

    if not is_known("studies", study):
        raise ConfigurationError(
            f"{study}: an export reads rows as the study's file says, "
            "but there is no file of that name",
            remedy=f"name the file as it was launched: {record.command}",
        )
    loaded = try_study(options.load(study))
    fingerprint = fingerprint_of(loaded, options.cache, say)
    if fingerprint != record.data.fingerprint:
        raise StudyConflict(
            f"study '{record.name}' was launched on data {record.data.fingerprint}, "
            f"its file now says {fingerprint}",
            remedy="export with the --set, --size and --variant of the launch; "
            "rows that have changed need a study of another name",
        )
    artifacts = options.folder.absolute() / "artifacts" / record.name
    database = connect(options.stored_name(study)[1])
    try:
        row = StudyStore(database, record.name).load_study()
    finally:
        database.close()
    assert row is not None, "its record was read"
    refuse_files_of_another(artifacts, row)
    return LoadedStudy(record, loaded, dataset_of(loaded, options.cache, say), artifacts)


@dataclass(frozen=True)
class TrainedChoice:
    """A trained model: the study that searched for it, the study that trained it, and the export.

    The second reads all rows of a study on a sample, or another table.
    """

    searched: StudyRecord
    trained: StudyRecord
    export: "Export"


@checked_call
def train(  # noqa: PLR0913  what to train, and in which form it is written
    study: str,
    to: str | PathLike[str],
    *,
    rows: str | PathLike[str] | None = None,
    arm: str | None = None,
    onnx: bool = False,
    watcher: Watcher | None = None,
    command: str = "",
    **options: Any,
) -> TrainedChoice:
    """Train what a study chose on all rows, and export it: its best seed, checked.

    `rows` is another table with the columns of the study's, such as newer rows; without it the
    study must have searched on a sample. What is trained is a study of its own, `STUDY-whole` or
    `STUDY-on-TABLE`, with a report; the same call resumes it. A student's teachers are trained too.
    `arm` and `onnx` mean what they do in `export`.
    `command` is stored and printed as the call. Options are the fields of `LaunchOptions`;
    `finalist_seeds` is 1 unless given.
    Errors: as in `export` and `launch`; ConfigurationError without a sample and `rows`.
    """
    from hinet_search.search.notebook_progress import watching
    from hinet_search.search.plan.check_study import try_study
    from hinet_search.search.plan.prepare import prepare_study
    from hinet_search.serving.choice import check_graph, choose
    from hinet_search.serving.rebuild import LoadedStudy
    from hinet_search.serving.whole import whole_study

    given = LaunchOptions.of_call(options)
    allow_only(given.plugins)
    record = load(study, **options)
    given, table = _on_rows(given, study, rows)
    loaded = given.load(study)
    refuse_places_of_the_file(loaded)

    from hinet_search.serving import export as serving

    serving.refuse_full(Path(to))
    what = choose(record, arm, "best")
    if onnx:
        check_graph(what)
    whole = whole_study(try_study(loaded), record, what, given.finalist_seeds or 1, table)
    command = command or call_text("train", study, {"to": to, "rows": rows, "arm": arm, **options})
    with watching(watcher) as seen:
        say = partial(_say_prepared, seen)
        ready_to_train = prepare_study(whole, given.cache, given.folder, say)
        trained = launch_ready(ready_to_train, given, command, seen)
        chosen = choose(trained, what.name, "best")
        say(f"exporting {trained.name}/{chosen.name}, {chosen.title}")
        artifacts = given.folder.absolute() / "artifacts" / trained.name
        stored = LoadedStudy(trained, ready_to_train.study, ready_to_train.dataset, artifacts)
        written = serving.export(stored, chosen, Path(to), partial(_card, trained), onnx=onnx)
    return TrainedChoice(record, trained, written)


def _on_rows(
    options: LaunchOptions, study: str, rows: str | PathLike[str] | None
) -> tuple[LaunchOptions, str | None]:
    """Return options with which the study reads the table `rows`, and its path or URL."""
    from hinet_search.serving.whole import with_rows

    if rows is None:
        return options, None
    path = str(rows) if "://" in str(rows) else str(Path(rows).absolute())
    settings = {**options.settings, **with_rows(options.load(study), path)}
    return dataclasses.replace(options, settings=settings), path


def report_path(study: ResolvedStudy, options: LaunchOptions) -> Path:
    """Return the path of a study's report."""
    return options.reports / f"{study.name}.html"


@checked_call
def load_model(
    folder: str | PathLike[str], *, device: Device = "cpu", plugins: tuple[str, ...] = ()
) -> "LoadedModel":
    """Open an exported model; its `predict` scores frames.

    Errors: as in `open_folder`.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.model_folder import open_folder
    from hinet_search.training.device import choose_device

    return open_folder(Path(folder), choose_device(device).device)


@checked_call
def predict(
    folder: str | PathLike[str],
    rows: str | PathLike[str],
    to: str | PathLike[str],
    *,
    log: str | PathLike[str] | None = None,
    device: Device = "cpu",
    plugins: tuple[str, ...] = (),
) -> "Prediction":
    """Score the rows of a table with an exported model and write the scores.

    `log` is a table of labelled rows that are newer than the study, which the rows see.
    Errors: as in `score_table`.
    """
    model = load_model(folder, device=device, plugins=plugins)

    from hinet_search.serving.predict import score_table

    return score_table(model, str(rows), Path(to), None if log is None else str(log))
