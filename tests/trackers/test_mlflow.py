"""MLflow: runs are nested, found again by later launches, and written again without a second value."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from pydantic import ValidationError

from hinet_search.trackers import Point, RunRefused, TrackedRun, Tracker, mlflow

STUDY = "shop 2026-11-14T11:21:07Z"
SHOP = TrackedRun(("shop",), "running", started="2026-11-14T11:21:07+00:00", tags={"kind": "study"})
ARM = TrackedRun(("shop", "hinet"), "running", started="2026-11-14T11:21:08+00:00")
TRIAL = TrackedRun(
    ("shop", "hinet", "hinet/3"),
    "complete",
    started="2026-11-14T11:22:00+00:00",
    finished="2026-11-14T11:23:00+00:00",
    parameters={"train.learning_rate": 0.003, "model.san.enabled": True},
    tags={"cause": "", "kind": "trial"},
    points=(
        Point(1, 20.0, {"valid/auc[Home/click]": 0.6}),
        Point(2, 40.0, {"valid/auc[Home/click]": 0.7}),
    ),
    totals={"cost/seconds": 41.0},
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of MLflow; the tests have experiments of their own in it."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in mlflow.ENVIRONMENT.items():
            patch.setenv(name, value)  # `connect` sets them for the whole process
        patch.chdir(folder)
        uri = f"sqlite:///{folder}/mlflow.db"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's own tables use what SQLAlchemy deprecates
            MlflowClient(uri)
        yield uri


@pytest.fixture
def options(uri: str, request: pytest.FixtureRequest) -> mlflow.Options:
    return mlflow.Options(uri=uri, experiment=request.node.name)


@pytest.fixture
def tracker(options: mlflow.Options) -> Tracker:
    return mlflow.connect(options, STUDY)


def written(options: mlflow.Options, tracker: Tracker, *runs: TrackedRun) -> dict[str, Run]:
    """Write the runs, and return what MLflow has then, by name."""
    for run in runs:
        tracker.write(run)
    client = MlflowClient(options.uri)
    experiment = client.get_experiment_by_name(options.experiment)
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def history(options: mlflow.Options, run: Run, metric: str) -> list[tuple[int, float]]:
    values = MlflowClient(options.uri).get_metric_history(run.info.run_id, metric)
    return [(value.step, value.value) for value in values]


def test_a_run_is_nested_in_the_one_before_it_on_its_path(
    options: mlflow.Options, tracker: Tracker
) -> None:
    runs = written(options, tracker, SHOP, ARM, TRIAL)
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    assert parents == {
        "shop": None,
        "hinet": runs["shop"].info.run_id,
        "hinet/3": runs["hinet"].info.run_id,
    }


def test_a_trial_has_its_times_parameters_tags_and_metrics_by_step(
    options: mlflow.Options, tracker: Tracker
) -> None:
    run = written(options, tracker, SHOP, ARM, TRIAL)["hinet/3"]
    assert (run.info.status, run.info.end_time - run.info.start_time) == ("FINISHED", 60_000)
    assert run.data.params == {"train.learning_rate": "0.003", "model.san.enabled": "True"}
    assert run.data.tags["kind"] == "trial"
    assert run.data.metrics["cost/seconds"] == 41.0
    # MLflow allows no brackets in a name.
    assert history(options, run, "valid/auc_Home/click_") == [(1, 0.6), (2, 0.7)]


def test_a_run_that_is_written_again_by_another_launch_has_each_value_once(
    options: mlflow.Options, tracker: Tracker
) -> None:
    # A trial that resumes reaches a step at another time than before.
    first = replace(TRIAL.points[0], seconds=7.0)
    begun = replace(TRIAL, state="running", finished="", points=(first,), totals={})
    written(options, tracker, SHOP, ARM, begun)
    later = mlflow.connect(options, STUDY)
    runs = written(options, later, SHOP, ARM, TRIAL, TRIAL)
    assert len(runs) == 3
    assert history(options, runs["hinet/3"], "valid/auc_Home/click_") == [(1, 0.6), (2, 0.7)]
    assert history(options, runs["hinet/3"], "cost/seconds") == [(0, 41.0)]


def lowest(value: float, at: str, **changes: object) -> TrackedRun:
    """The arm as it was at that minute, with its best value of logloss."""
    moment = f"2026-11-14T11:{at}:00+00:00"
    best = {"best logloss": value}
    return replace(ARM, totals=best, updated=moment, **changes)  # type: ignore[arg-type]


def test_a_total_that_falls_while_the_arm_runs_is_shown_as_it_is_now(
    options: mlflow.Options, tracker: Tracker
) -> None:
    runs = written(options, tracker, SHOP, lowest(0.6, "30"), lowest(0.5, "40"))
    assert runs["hinet"].data.metrics == {"best logloss": 0.5}


def test_totals_after_a_resume_are_later_than_those_of_the_launch_that_was_stopped(
    options: mlflow.Options, tracker: Tracker
) -> None:
    finished = "2026-11-14T11:50:00+00:00"
    stopped = lowest(0.6, "50", state="interrupted", finished=finished)
    written(options, tracker, SHOP, lowest(0.6, "30"), stopped)
    later = mlflow.connect(options, STUDY)
    resumed = written(options, later, SHOP, lowest(0.5, "55"))["hinet"]
    assert resumed.data.metrics == {"best logloss": 0.5}


def test_a_later_launch_finds_the_digests_of_its_study_alone(
    options: mlflow.Options, tracker: Tracker
) -> None:
    written(options, tracker, SHOP, ARM)
    assert mlflow.connect(options, STUDY).digests() == {
        SHOP.path: SHOP.digest,
        ARM.path: ARM.digest,
    }
    assert mlflow.connect(options, "shop 2027-01-01T00:00:00Z").digests() == {}


@pytest.mark.parametrize("name", ["Ann's shop", 'a "good" shop', """it's "good"`\\"""])
def test_a_study_whose_name_has_quotes_finds_its_runs_and_those_of_no_similar_name(
    name: str, options: mlflow.Options
) -> None:
    for study in (name, name.replace("'", "_").replace('"', "_")):
        mlflow.connect(options, study).write(replace(SHOP, path=(study,)))
    assert mlflow.connect(options, name).digests().keys() == {(name,)}


@pytest.mark.parametrize("tags", [{}, {mlflow.RUN: ""}, {mlflow.RUN: "shop", mlflow.STEP: "odd"}])
def test_a_run_of_another_program_with_our_tag_is_passed_over(
    tags: dict[str, str], options: mlflow.Options, tracker: Tracker
) -> None:
    experiment = MlflowClient(options.uri).get_experiment_by_name(options.experiment)
    assert experiment is not None
    MlflowClient(options.uri).create_run(
        experiment.experiment_id, tags={mlflow.STUDY: STUDY, **tags}
    )
    assert mlflow.connect(options, STUDY).digests() == {}


def test_a_study_that_was_stopped_runs_again(options: mlflow.Options, tracker: Tracker) -> None:
    stopped = replace(SHOP, state="interrupted", finished="2026-11-14T12:00:00+00:00")
    before = written(options, tracker, SHOP, stopped)["shop"].info
    after = written(options, tracker, SHOP)["shop"].info
    assert (before.status, after.status) == ("KILLED", "RUNNING")
    assert after.end_time == before.end_time, "MLflow keeps it until the run ends again"


def test_a_parameter_that_has_changed_keeps_its_first_value(
    options: mlflow.Options, tracker: Tracker
) -> None:
    changed = replace(TRIAL, parameters={"train.learning_rate": 0.5, "seed": 1})
    run = written(options, tracker, SHOP, ARM, TRIAL, changed)["hinet/3"]
    assert run.data.params["train.learning_rate"] == "0.003"
    assert run.data.params["seed"] == "1"


def test_more_metrics_than_mlflow_takes_at_once_are_written(
    options: mlflow.Options, tracker: Tracker
) -> None:
    many = tuple(
        Point(step, step / 10, {f"m{number}": 1.0 for number in range(100)})
        for step in range(1, 13)
    )
    run = written(options, tracker, SHOP, ARM, replace(TRIAL, points=many))["hinet/3"]
    assert [step for step, _ in history(options, run, "m99")] == list(range(1, 13))


def test_a_run_without_times_takes_as_long_as_it_says(
    options: mlflow.Options, tracker: Tracker
) -> None:
    seed = TrackedRun((*ARM.path, "hinet/3 seed 1"), "complete", seconds=12.5)
    info = written(options, tracker, SHOP, ARM, seed)["hinet/3 seed 1"].info
    assert info.end_time - info.start_time == 12_500


def test_a_file_is_an_artifact_of_its_run(
    options: mlflow.Options, tracker: Tracker, tmp_path: Path
) -> None:
    run = written(options, tracker, SHOP)["shop"]
    tracker.attach(SHOP.path, "report.html", "<p>")
    client = MlflowClient(options.uri)
    report = client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))
    assert Path(report).read_text() == "<p>"


def test_what_mlflow_takes_for_invalid_is_refused(tracker: Tracker) -> None:
    with pytest.raises(RunRefused, match="Metric name"):
        tracker.write(replace(SHOP, totals={"m" * 300: 1.0}))


def test_a_run_in_one_that_was_refused_is_refused(tracker: Tracker) -> None:
    with pytest.raises(RunRefused, match="MLflow refused shop, which it is nested in"):
        tracker.write(ARM)


def test_the_place_of_the_runs_has_no_password(
    uri: str, options: mlflow.Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = mlflow.connect(options, STUDY)
    assert tracker.place.endswith(f"at {uri}")
    monkeypatch.setattr(MlflowClient, "tracking_uri", "http://ann:s3cret@server", raising=False)
    again = mlflow.connect(options, STUDY)
    assert again.place.endswith("at http://ann:***@server")


def test_a_server_that_is_away_is_named_with_the_reason(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConnectionError, match=r"^no answer from http://127.0.0.1:9: Connection r"):
        mlflow.connect(mlflow.Options(uri="http://127.0.0.1:9"), STUDY)


def test_connecting_leaves_what_the_environment_says(
    options: mlflow.Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    mlflow.connect(options, STUDY)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:s3cret@server",
        "http://ann:s/3cret@server",
        "http://s3cret@server",
        "postgresql://server/runs?user=ann&password=s3cret",
    ],
)
def test_a_uri_with_a_password_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ValidationError) as refused:
        mlflow.Options(uri=uri)
    (error,) = refused.value.errors()
    assert "must hold no user and no password" in error["msg"]
    assert "3cret" not in error["msg"]


@pytest.mark.parametrize("place", ["hdfs://h/x", "http://127.0.0.1:9/x", "s3://bucket/x"])
def test_a_store_of_a_stranger_sends_no_artifact_elsewhere_and_opens_no_library(
    place: str, options: mlflow.Options
) -> None:
    MlflowClient(options.uri).create_experiment(options.experiment, artifact_location=place)
    tracker = mlflow.connect(options, STUDY)
    tracker.write(SHOP)
    with pytest.raises(
        RunRefused, match=rf"keeps artifacts at {place.split(':', maxsplit=1)[0]}://"
    ):
        tracker.attach(SHOP.path, "report.html", "text")
