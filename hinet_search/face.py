"""Face: check, launch, load, export and predict as one call each; the command line and Python callers share them.

What trains imports torch (two seconds), what compares scipy (.2 s), so both are imported by the calls that need them: a
status needs neither, a report no torch.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search import disk
from hinet_search.errors import ConfigurationError, DiskFull, EnvironmentFault, StudyConflict
from hinet_search.plugins import allow_only
from hinet_search.plugins import load as load_plugin
from hinet_search.records import StudyRecord
from hinet_search.search.options import LaunchOptions
from hinet_search.search.progress import Silent, Watcher
from hinet_search.shipped import is_known, shadowed
from hinet_search.storage.address import parse_address
from hinet_search.storage.engine import connect
from hinet_search.study import Study

if TYPE_CHECKING:
    from hinet_search.search.plan import Plan, Ready
    from hinet_search.serving.choice import Seeds
    from hinet_search.serving.export import Export
    from hinet_search.serving.predict import Prediction
    from hinet_search.serving.recipe import Stored
    from hinet_search.training.device import Wanted

FORMATS = "hinet_search.report.formats"


def quiet(_text: str) -> None:
    """Say nothing."""


def ready(study: str, options: LaunchOptions, say: Callable[[str], None] = quiet) -> "Ready":
    """A study, found, checked and with its data encoded; `say` hears what takes a while, and which shipped file is hidden."""
    from hinet_search.search.plan import make_ready

    allow_only(options.plugins)
    found = options.load(study)
    _tell_hidden(study, found, say)
    return make_ready(found, options.cache, options.folder, say)


def _tell_hidden(name: str, study: Study, say: Callable[[str], None]) -> None:
    """A file of the user's that has the name of a shipped one may be there by chance."""
    spaces = {study.spec.arms[arm.name].space or arm.space.name for arm in study.arms}
    for kind, called, beside in (
        ("studies", name, None),
        *(("spaces", space, study.folder) for space in sorted(spaces)),
    ):
        if (pair := shadowed(kind, called, beside)) is not None:
            what = called if kind == "studies" else f"space {called}"
            say(f"{what} is {pair[0]}, which stands in front of the shipped {pair[1].name}")


def check(study: str, **options: Any) -> "Plan":
    """What a launch would do, after every check it would make."""
    from hinet_search.search.kept import planned

    return planned(ready(study, _chosen(options)))


def launch(study: str, watcher: Watcher | None = None, **options: Any) -> StudyRecord:
    """Run or continue a study, write its report, and note the outcome where the dashboard shows it."""
    chosen = _chosen(options)
    checked = ready(study, chosen)
    return launch_ready(checked, chosen, _call(study, options), watcher or Silent())


def _chosen(options: Mapping[str, Any]) -> LaunchOptions:
    """What a caller says; a folder may be a text."""
    output = options.get("output")
    return LaunchOptions(**{**options, "output": None if output is None else Path(output)})


def _call(study: str, options: Mapping[str, Any]) -> str:
    """The call as it is stored and shown, without the password of a database."""
    shown = dict(options)
    if shown.get("storage") and (address := parse_address(shown["storage"])).password is not None:
        shown["storage"] = address.masked
    given = [repr(study), *(f"{name}={value!r}" for name, value in shown.items())]
    return f"hinet_search.launch({', '.join(given)})"


def launch_ready(checked: "Ready", options: LaunchOptions, command: str, watcher: Watcher) -> StudyRecord:
    """Launch what `ready` returned."""
    from hinet_search.search.launch import launch as run

    record = run(checked, options, command, watcher)
    path = report_path(checked.study, options)
    write_report(record, path)
    annotate_dashboard(record, options.storage_url(checked.study), path)
    return record


def annotate_dashboard(record: StudyRecord, url: str, report: Path) -> None:
    """Leave names and notes for the dashboard."""
    from hinet_search.compare.rules import verdict
    from hinet_search.dashboard import annotate

    database = connect(url, create=True)
    try:
        annotate(database, record, verdict=verdict(record).sentence, report=str(report))
    finally:
        database.close()


def load(study: str, *, trial_cells: bool = False, **options: Any) -> StudyRecord:
    """The stored record of a study, named or given as its file; `trial_cells` as load_record has it."""
    from hinet_search.storage.load import load_record

    chosen = _chosen(options)
    name, url = stored_name(study, chosen)
    database = connect(url)
    try:
        return load_record(database, name, trial_cells=trial_cells)
    finally:
        database.close()


def stored_name(study: str, options: LaunchOptions) -> tuple[str, str]:
    """Name and database of a study that was launched: its file says both, a name without a file is taken as it is.

    A name with a folder or with a size is that of a file: no stored study has such a name.
    """
    is_file = Path(study).suffix in (".yaml", ".yml") or "/" in study or options.size is not None
    if is_file or is_known("studies", study):
        found = options.load(study)
        return found.name, options.storage_url(found)
    return study, options.storage_url()


def stored_url(study: str | None, options: LaunchOptions) -> str:
    """The database of a study, or without one that of the options."""
    return options.storage_url() if study is None else stored_name(study, options)[1]


def split_target(target: str) -> tuple[str, str | None]:
    """Study and arm of `STUDY/ARM`; a study that there is by that whole name or path has no arm behind it."""
    study, slash, arm = target.rpartition("/")
    is_study = Path(target).suffix in (".yaml", ".yml") or is_known("studies", target)
    return (target, None) if is_study or not slash else (study, arm)


def export(
    study: str,
    to: Path,
    arm: str | None = None,
    seeds: "Seeds" = "best",
    say: Callable[[str], None] = quiet,
    **options: Any,
) -> "Export":
    """Write the folder of an arm's chosen finalist, checked against what its training left; `say` hears what takes a while.

    Errors: those of `choose`, of `_stored` and of `serving.export`; nothing is written then.
    """
    from hinet_search.report.model_card import model_card
    from hinet_search.serving import export as serving
    from hinet_search.serving.choice import choose

    chosen_options = _chosen(options)
    allow_only(chosen_options.plugins)
    serving.refuse_full(to)
    record = load(study, **options)
    what = choose(record, arm, seeds)
    reason = f", {what.why}" if what.why else ""
    say(f"exporting {record.name}/{what.arm.name}, trial {what.finalist.trial_number}{reason}")
    stored = _stored(study, record, chosen_options, say)
    return serving.export(stored, what, to, lambda one, notes: model_card(record, one.arm.name, one.seeds, notes))


def _stored(study: str, record: StudyRecord, options: LaunchOptions, say: Callable[[str], None]) -> "Stored":
    """A stored study with its file, data and weights.

    Errors: ConfigurationError without its file, StudyConflict when data or weights are not those of its launch.
    """
    from hinet_search.config import try_study
    from hinet_search.data.of_study import dataset_of, fingerprint_of
    from hinet_search.search.artifacts import refuse_files_of_another
    from hinet_search.serving.recipe import Stored
    from hinet_search.storage.store import StudyStore

    if not is_known("studies", study):
        raise ConfigurationError(
            f"{study}: an export reads rows as the study's file says, but there is no file of that name",
            remedy=f"name the file as it was launched: {record.command}",
        )
    found = try_study(options.load(study))
    if (now := fingerprint_of(found, options.cache, say)) != record.data.fingerprint:
        raise StudyConflict(
            f"study '{record.name}' was launched on data {record.data.fingerprint}, its file now says {now}",
            remedy="export with the --set and --size of the launch; rows that have changed need a study of another name",
        )
    artifacts = options.folder.absolute() / "artifacts" / record.name
    database = connect(stored_url(study, options))
    try:
        row = StudyStore(database, record.name).load_study()
    finally:
        database.close()
    assert row is not None, "its record was read"
    refuse_files_of_another(artifacts, row)
    return Stored(record, found, dataset_of(found, options.cache, say), artifacts)


def predict(folder: Path, rows: str, to: Path, device: "Wanted" = "cpu", plugins: tuple[str, ...] = ()) -> "Prediction":
    """Score the rows of a table with an exported model and write the scores; errors are those of `serving.predict`."""
    from hinet_search.serving.folder import open_folder
    from hinet_search.serving.predict import predict as run
    from hinet_search.training.device import choose_device

    allow_only(plugins)
    return run(open_folder(folder, choose_device(device).device), rows, to)


def report_path(study: Study, options: LaunchOptions) -> Path:
    """Where a study's report goes."""
    return options.reports / f"{study.name}.html"


def write_report(record: StudyRecord, path: Path, kind: str = "html") -> tuple[Path, ...]:
    """Write a report of that format; returns the files, of which CSV has one a table, named after `path`.

    EnvironmentFault when a file cannot be written.
    """
    return write_files(record.name, load_plugin(FORMATS, kind).files(record), path)


def write_pair(before: StudyRecord, after: StudyRecord, path: Path) -> tuple[Path, ...]:
    """Write the page of two studies; ConfigurationError when they cannot be compared, else as `write_report`."""
    from hinet_search.report.pair import render_pair

    return write_files(f"{before.name} {after.name}", {".html": render_pair(before, after)}, path)


def write_files(name: str, texts: Mapping[str, str], path: Path) -> tuple[Path, ...]:
    """Write a text as `path`, or each of several behind its own ending."""
    ending = next(iter(texts), "")
    stem = str(path).removesuffix(path.suffix if ending.endswith(path.suffix) else "")
    written = {path if len(texts) == 1 else Path(f"{stem}{ending}"): text for ending, text in texts.items()}
    try:
        for file, text in written.items():
            content = text.encode()
            with disk.replacing(file, len(content)) as part:
                part.write_bytes(content)
    except (OSError, DiskFull) as error:
        why = error.strerror if isinstance(error, OSError) else error.problems[0]
        raise EnvironmentFault(
            f"report {path} cannot be written: {why}",
            remedy=f"nothing is lost: hinet-search report {name} --to FILE writes it elsewhere",
        ) from error
    return tuple(written)
