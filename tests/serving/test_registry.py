"""A registry shows what nights made and serve; one that is away, slow or refuses changes nothing."""

import re
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from safetensors.torch import save_file

from hinet_search.common.errors import ConfigurationError
from hinet_search.serving.nightly import registry
from hinet_search.serving.nightly.models_folder import ModelsFolder
from hinet_search.serving.nightly.outcome import Gain, Night
from hinet_search.serving.nightly.registry import register, require_registry
from hinet_search.serving.sealed import seal
from hinet_search.trackers import mlflow

NIGHT = Night(
    began="2026-05-04T02:00:00+00:00",
    rows="monday.parquet",
    num_rows=1200,
    outcome="promoted",
    served="0001",
    verdict="better than before",
    made="0001",
    by_refit=Gain(0.01, 0.004, None),
    new_ids={"user": 12, "item": 3},
    alarms=("inputs: price .52 from training",),
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of MLflow; the tests have registered models of their own in it."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in mlflow.ENVIRONMENT.items():
            patch.setenv(name, value)  # a client sets them for the whole process
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        patch.chdir(folder)
        uri = f"sqlite:///{folder}/mlflow.db"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's own tables use what SQLAlchemy deprecates
            MlflowClient(uri)
        yield uri


@pytest.fixture(autouse=True)
def client(uri: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W", "-", request.node.name)


def model(folder: Path, number: int) -> Path:
    """Files as those of a model, sealed."""
    (folder / "encoding").mkdir(parents=True)
    pl.DataFrame({"value": range(number + 1)}).write_parquet(folder / "encoding/columns.parquet")
    save_file({"table": torch.full((3,), float(number))}, folder / "weights.safetensors")
    (folder / "card.md").write_text(f"card {number}")
    seal(folder)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> ModelsFolder:
    """The folder of a shipped model, and of one that a night made of it."""
    models = ModelsFolder(tmp_path / "served")
    with models.held():
        models.follow(model(tmp_path / "shipped", 0))
    models.promote(model(models.next_model(), 1))
    return models


def versions(client: MlflowClient, name: str) -> dict[str, ModelVersion]:
    """The versions of a registered model by the model of the folder that each is."""
    return {each.tags["model"]: each for each in client.search_model_versions(f"name = '{name}'")}


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """The model of the folder that each alias names."""
    found = client.get_registered_model(name).aliases
    by_version = {str(each.version): made for made, each in versions(client, name).items()}
    return {alias: by_version[str(version)] for alias, version in found.items()}


def test_every_model_is_a_version_with_the_figures_of_its_night(
    client: MlflowClient, models: ModelsFolder, name: str, tmp_path: Path
) -> None:
    assert register(name, models, [NIGHT]) == ()
    assert aliases(client, name) == {"current": "0001", "previous": "0000"}
    made = versions(client, name)["0001"]
    assert {tag: text for tag, text in made.tags.items() if tag.startswith("night.")} == {
        "night.began": NIGHT.began,
        "night.rows": "1200",
        "night.verdict": "better than before",
        "night.by_refit": "0.01",
        "night.by_refit.low": "0.004",
        "night.new_ids": "15",
        "night.forgotten_ids": "0",
        "night.alarms": "inputs: price .52 from training",
        "night.seconds": "0.0",
    }
    got = Path(client.download_artifacts(made.run_id, "model", str(tmp_path)))
    assert str(made.source).endswith("/artifacts/model")
    files = {path.relative_to(got) for path in got.rglob("*") if path.is_file()}
    of_folder = {path.relative_to(models.current) for path in models.current.rglob("*.*")}
    assert files == of_folder
    assert all((got / file).read_bytes() == (models.current / file).read_bytes() for file in files)


def test_the_same_again_changes_nothing_and_a_roll_back_moves_the_aliases(
    client: MlflowClient, models: ModelsFolder, name: str
) -> None:
    register(name, models, [])
    before = {made: each.version for made, each in versions(client, name).items()}
    models.roll_back()
    assert register(name, models, []) == ()
    assert {made: each.version for made, each in versions(client, name).items()} == before
    assert aliases(client, name) == {"current": "0000", "previous": "0001"}


def test_a_registry_that_was_away_gets_the_models_of_all_nights_later(
    client: MlflowClient, models: ModelsFolder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(name, models, [])
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://ann:s3cret@127.0.0.1:9")
        models.promote(model(models.next_model(), 2))
        (warning,) = register(name, models, [])
    assert re.search(r"no answer from http://ann:\*\*\*@127.0.0.1:9: .*; the next night", warning)
    assert aliases(client, name)["current"] == "0001"
    models.promote(model(models.next_model(), 3))
    assert register(name, models, []) == ()
    numbers = [int(each.version) for _, each in sorted(versions(client, name).items())]
    assert numbers == [1, 2, 3, 4]
    assert aliases(client, name) == {"current": "0003", "previous": "0002"}


def test_a_registry_that_never_answers_is_left(
    models: ModelsFolder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        (warning,) = register(name, models, [])
    assert "not done within" in warning
    assert models.current.name == "0001"


def test_what_a_registry_refuses_is_a_warning_and_its_run_is_used_again(
    client: MlflowClient, models: ModelsFolder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("you may not register\nmodels")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_model_version", refuse)
        (warning,) = register(name, models, [])
    assert "lacks what is served: you may not register; the next night adds it" in warning
    experiment = client.get_experiment_by_name(mlflow.EXPERIMENT)
    assert experiment is not None

    def runs() -> list[str]:
        found = client.search_runs([experiment.experiment_id])
        return [run.info.run_id for run in found if run.info.run_name == f"{name} 0000"]

    before = runs()
    assert register(name, models, []) == ()
    assert runs() == before


def test_a_damaged_model_is_not_registered(
    client: MlflowClient, models: ModelsFolder, name: str
) -> None:
    (models.current / "weights.safetensors").write_bytes(b"other")
    (warning,) = register(name, models, [])
    assert "weights.safetensors: has changed" in warning
    assert "0001" not in versions(client, name)


def test_a_link_in_a_model_is_not_sent(
    client: MlflowClient, models: ModelsFolder, name: str
) -> None:
    (models.current / "stray.txt").symlink_to("/etc/hostname")
    assert register(name, models, []) == ()
    run_id = versions(client, name)["0001"].run_id
    assert run_id is not None
    sent = [file.path for file in client.list_artifacts(run_id, "model")]
    assert "model/card.md" in sent
    assert "model/stray.txt" not in sent


def test_the_figures_of_earlier_nights_are_those_of_their_lines(models: ModelsFolder) -> None:
    models.note({"began": "", "rows": "", "outcome": "refused", "served": "0000", "alarms": []})
    models.note({**NIGHT.__dict__, "by_refit": NIGHT.by_refit.__dict__ if NIGHT.by_refit else None})
    with (models.root / "nights.jsonl").open("ab") as file:
        file.write(b'{"began": "2026\xff')
    assert models.nights() == [NIGHT]


@pytest.mark.parametrize(
    "wrong", ["", " ", "a/b", "a:b", "it's", "a\n", "é" * 201, 'a"b', "\x1b[0m"]
)
def test_a_name_that_needs_quotes_or_is_none_of_mlflow_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="--registry must have letters"):
        require_registry(wrong)


def test_without_mlflow_a_registry_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    require_registry("shop of Ann-1.b_2")
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="needs the package mlflow-skinny"):
        require_registry("shop")
