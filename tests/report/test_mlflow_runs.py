"""A finished study is logged to MLflow once: a run of the study, and one of each arm in it."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.report import mlflow_runs
from hinet_search.report.mlflow_runs import log_study
from hinet_search.results.finalist_values import chosen
from hinet_search.results.verdict import verdict
from tests.report.studies import small


@pytest.fixture(autouse=True)
def quiet() -> None:
    """MLflow's own tables use what SQLAlchemy deprecates."""
    warnings.simplefilter("ignore")


def test_a_study_and_its_arms_are_runs_with_settings_metrics_and_the_page(tmp_path: Path) -> None:
    uri, record = f"sqlite:///{tmp_path}/mlflow.db", small()
    client = MlflowClient(uri)
    number = client.create_experiment(mlflow_runs.EXPERIMENT, f"file://{tmp_path}/artifacts")
    assert log_study(record, uri) == f"experiment hinet-search at {uri}"
    runs = {run.info.run_name: run for run in client.search_runs([number])}
    assert set(runs) == {record.name, *(arm.name for arm in record.arms_and_students)}
    study = runs.pop(record.name)
    assert study.data.tags["mlflow.note.content"] == verdict(record).sentence
    assert [file.path for file in client.list_artifacts(study.info.run_id)] == ["report.html"]
    for arm in record.arms:
        finalist, run = chosen(arm), runs[arm.name]
        assert finalist is not None
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
        settings = {name: str(value) for name, value in finalist.parameters.items()}
        assert settings.items() <= run.data.params.items()
        values = [each.valid_objective for each in finalist.runs]
        assert run.data.metrics[f"valid/{record.objective}"] == pytest.approx(
            sum(values) / len(values)
        )
        cell = finalist.runs[0].test_cells[0]
        assert 0 < run.data.metrics[f"test/auc/{cell.scenario}/{cell.task}"] < 1


def test_a_server_that_is_away_is_told_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(EnvironmentFault, match=r"MLflow at http://ann:\*\*\*@127") as caught:
        log_study(small(), "http://ann:s3cret@127.0.0.1:9")
    assert "s3cret" not in str(caught.value)
    assert "refused" in str(caught.value)


def test_a_study_that_is_not_done_is_not_logged() -> None:
    with pytest.raises(StudyConflict, match="must be done before it is logged, it is running"):
        log_study(replace(small(), state="running"), "")


def test_without_the_package_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_runs, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentFault, match=r"mlflow-skinny, .*\npip install"):
        log_study(small(), "")
