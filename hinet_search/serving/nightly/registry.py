"""Registry: show in MLflow's model registry what nights made, and which model is served.

Each model of the folder is a version, found again by its tag `hinet_search.manifest`; the aliases
`current` and `previous` name what the links of the folder name. What a registry that was away lacks
is added by the next night. No night waits longer than `PATIENCE` for it, or fails with it.
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from typing import TYPE_CHECKING

from hinet_search.common.errors import ConfigurationError, hide_passwords, shortened
from hinet_search.common.files import whole_files
from hinet_search.serving.nightly.models_folder import ModelsFolder
from hinet_search.serving.nightly.outcome import Gain, Night
from hinet_search.serving.sealed import manifest_hash, sealed_files
from hinet_search.trackers import mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

PATIENCE = 600.0  # seconds
MANIFEST_TAG = "hinet_search.manifest"
FILES = "model"  # the folder of a run that has those of the model
MOST_CHARACTERS = 500  # of a tag, or of an error
_NAME = re.compile(r"[\w.-]([\w. -]{0,198}[\w.-])?")

Nights = Mapping[str, Night]  # by the name of the model that each made


def require_registry(name: str) -> None:
    """ConfigurationError if MLflow is not installed, or takes no registered model of that name."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "--registry must have letters, digits, dots, dashes, underscores and spaces inside, "
            f"200 at most, got '{shortened(name)}'",
            remedy="such as --registry shop-hinet",
        )
    if find_spec("mlflow") is None:
        raise ConfigurationError(f"--registry {mlflow.NEEDS}")


def register(name: str, models: ModelsFolder, nights: Sequence[Night]) -> tuple[str, ...]:
    """Register the models that a registry lacks and move its aliases; return warnings.

    It raises nothing: the folder says what is served, whether or not a registry shows it.
    """
    given_up = Event()
    problems: list[str] = []

    def attempt() -> None:
        try:
            client = mlflow.client()
            with mlflow.errors_in_words(client.tracking_uri):
                for _ in _steps(client, name, models, {night.made: night for night in nights}):
                    if given_up.is_set():
                        return
        except Exception as error:  # noqa: BLE001  clients raise anything, and none may end a night
            first_line, *_ = [*str(error).splitlines(), ""]
            reason = hide_passwords(first_line)[:MOST_CHARACTERS]
            problems.append(reason or type(error).__name__)

    thread = Thread(target=attempt, name="registry", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    given_up.set()
    if thread.is_alive():
        problems.append(f"not done within {PATIENCE:.0f} seconds")
    return tuple(
        f"registry: {name} of MLflow lacks what is served: {problem}; the next night adds it"
        for problem in problems
    )


def _steps(
    client: "MlflowClient", name: str, models: ModelsFolder, nights: Nights
) -> Iterator[None]:
    """Do what a registry lacks, and yield after each step."""
    registered = _registered(client, name)
    yield
    versions = dict(_versions(client, name))
    for folder in models.folders:
        manifest = manifest_hash(folder)
        if manifest not in versions:
            tags = {MANIFEST_TAG: manifest, "model": folder.name}
            if folder.name in nights:
                tags |= _tags(nights[folder.name])
            run_id = yield from _upload(client, name, folder, manifest)
            source = f"{client.get_run(run_id).info.artifact_uri}/{FILES}"
            made = client.create_model_version(name, source, run_id, tags, await_creation_for=0)
            versions[manifest] = str(made.version)
            yield
    for alias, folder in models.linked.items():
        version = versions[manifest_hash(folder)]
        if str(registered.aliases.get(alias)) != version:
            client.set_registered_model_alias(name, alias, version)
            yield


def _registered(client: "MlflowClient", name: str) -> "RegisteredModel":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return client.create_registered_model(name)


def _versions(client: "MlflowClient", name: str) -> Iterator[tuple[str, str]]:
    """Yield manifest and number of the versions that nights registered."""
    token = None
    while token != "":  # the token of a page that none follows
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        for version in page:
            if MANIFEST_TAG in version.tags:
                yield version.tags[MANIFEST_TAG], str(version.version)
        token = page.token or ""


def _upload(
    client: "MlflowClient", name: str, folder: Path, manifest: str
) -> Generator[None, None, str]:
    """Write a model to a run, an unfinished one if there is one; return the run's id."""
    sealed_files(folder)  # a damaged model is not shown as one
    experiment = mlflow.experiment_of(client, mlflow.EXPERIMENT)
    begun = client.search_runs([experiment], f"tags.`{MANIFEST_TAG}` = '{manifest}'", max_results=1)
    tags = {MANIFEST_TAG: manifest}
    run = begun[0] if begun else client.create_run(experiment, None, tags, f"{name} {folder.name}")
    yield
    for path in whole_files(folder):
        if path.is_file() and not path.is_symlink():
            place = PurePosixPath(FILES) / path.relative_to(folder).parent.as_posix()
            client.log_artifact(run.info.run_id, str(path), str(place))
            yield
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _tags(night: Night) -> dict[str, str]:
    """The figures of a night; what there is none of is left out."""
    figures = {
        "began": night.began,
        "rows": night.num_rows,
        "verdict": night.verdict,
        **_ends("by_refit", night.by_refit),
        **_ends("over_shipped", night.over_shipped),
        "new_ids": sum(night.new_ids.values()),
        "forgotten_ids": sum(night.forgotten_ids.values()),
        "alarms": "; ".join(night.alarms) or "none",
        "seconds": night.seconds,
    }
    return {f"night.{name}": str(figure)[:MOST_CHARACTERS] for name, figure in figures.items()}


def _ends(name: str, gain: Gain | None) -> dict[str, float]:
    ends = {} if gain is None else {"": gain.mean, ".low": gain.low, ".high": gain.high}
    return {f"{name}{end}": value for end, value in ends.items() if value is not None}
