"""TensorBoard: its own reader finds every value once, whatever was interrupted or written again."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from hinet_search.trackers import Point, TrackedRun, Tracker, tensorboard

STUDY = "shop 2026-11-14T11:21:07Z"
FOLDER = "shop 2026-11-14T112107Z"
START = 1_794_655_267.0  # of the study, in seconds since 1970
SHOP = TrackedRun(("shop",), "running", started="2026-11-14T11:21:07+00:00", tags={"kind": "study"})
ARM = TrackedRun(("shop", "hinet"), "running", started="2026-11-14T11:21:08+00:00")
TRIAL = TrackedRun(
    ("shop", "hinet", "hinet/3"),
    "complete",
    started="2026-11-14T11:21:07+00:00",
    finished="2026-11-14T11:22:07+00:00",
    parameters={"train.learning_rate": 0.5, "model.san.enabled": True, "loss": "bce", "cap": None},
    tags={"cause": "none", "kind": "trial"},
    points=(
        Point(1, 20.0, {"valid/auc": 0.5}),
        Point(2, 40.0, {"valid/auc": 0.75}),
    ),
    totals={"cost/seconds": 41.0},
)


def connect(folder: Path) -> Tracker:
    return tensorboard.connect(tensorboard.Options(folder=str(folder)), STUDY)


def written(folder: Path, *runs: TrackedRun) -> EventAccumulator:
    """Write the runs, and return what TensorBoard reads of the last one."""
    tracker = connect(folder)
    for run in runs:
        tracker.write(run)
    return read(folder, run)


def read(folder: Path, run: TrackedRun) -> EventAccumulator:
    names = [name.rpartition("/")[2] for name in run.path[1:]]
    reader = EventAccumulator(str(folder.joinpath(FOLDER, *names)))
    reader.Reload()
    return reader


def series(reader: EventAccumulator, tag: str) -> list[tuple[int, float, float]]:
    """Step, seconds after the start of the study, and value."""
    return [(event.step, event.wall_time - START, event.value) for event in reader.Scalars(tag)]


def texts(reader: EventAccumulator) -> Mapping[str, list[str]]:
    return {
        tag: [event.tensor_proto.string_val[0].decode() for event in reader.Tensors(tag)]
        for tag in reader.Tags()["tensors"]
    }


def hyperparameters(reader: EventAccumulator) -> Mapping[str, HParamsPluginData]:
    content = reader.SummaryMetadata
    return {
        tag: HParamsPluginData.FromString(content(tag).plugin_data.content)
        for tag in reader.PluginTagToContent("hparams")
    }


def test_a_run_is_a_folder_in_that_of_the_run_around_it(tmp_path: Path) -> None:
    written(tmp_path, SHOP, ARM, TRIAL)
    folders = [file.parent.relative_to(tmp_path) for file in tmp_path.rglob("events.*")]
    assert sorted(map(str, folders)) == [FOLDER, f"{FOLDER}/hinet", f"{FOLDER}/hinet/3"]


def test_metrics_have_their_steps_and_times(tmp_path: Path) -> None:
    reader = written(tmp_path, TRIAL)
    assert series(reader, "valid/auc") == [(1, 20.0, 0.5), (2, 40.0, 0.75)]
    assert series(reader, "cost/seconds") == [(0, 60.0, 41.0)]


def test_parameters_and_the_end_are_hyperparameters_of_the_run(tmp_path: Path) -> None:
    start, end = hyperparameters(written(tmp_path, TRIAL)).values()
    values = {
        name: (value.WhichOneof("kind"), value.ListFields()[0][1])
        for name, value in start.session_start_info.hparams.items()
    }
    assert values == {
        "train.learning_rate": ("number_value", 0.5),
        "model.san.enabled": ("bool_value", True),
        "loss": ("string_value", "bce"),
        "cap": ("string_value", "None"),
    }
    assert start.session_start_info.start_time_secs == START
    assert (end.session_end_info.status, end.session_end_info.end_time_secs) == (1, START + 60)


def test_a_trial_that_failed_is_a_failure_and_one_that_runs_has_no_end(tmp_path: Path) -> None:
    begun = replace(TRIAL, state="running")
    assert len(hyperparameters(written(tmp_path, begun))) == 1
    _, end = hyperparameters(written(tmp_path, replace(TRIAL, state="failed"))).values()
    assert end.session_end_info.status == 2


def test_state_tags_and_description_are_texts(tmp_path: Path) -> None:
    run = replace(SHOP, description="HiNet wins.")
    assert texts(written(tmp_path, run)) == {
        "tags": ["| tag | value |\n|---|---|\n| state | running |\n| kind | study |"],
        "description": ["HiNet wins."],
    }


def test_a_run_that_is_written_again_by_another_launch_has_each_value_once(tmp_path: Path) -> None:
    begun = replace(TRIAL, state="running", finished="", points=TRIAL.points[:1], totals={})
    written(tmp_path, begun)
    reader = written(tmp_path, TRIAL, TRIAL)
    assert series(reader, "valid/auc") == [(1, 20.0, 0.5), (2, 40.0, 0.75)]
    assert series(reader, "cost/seconds") == [(0, 60.0, 41.0)]
    assert len(reader.Tensors("tags")) == 2, "its state has changed"


def test_a_total_that_changes_while_the_arm_runs_is_a_curve(tmp_path: Path) -> None:
    totals = [{"trials": 1.0, "best auc": 0.5}, {"trials": 2.0, "best auc": 0.5}]
    runs = [
        replace(ARM, totals=values, updated=f"2026-11-14T11:21:{second}+00:00")
        for second, values in zip((17, 27), totals, strict=True)
    ]
    reader = written(tmp_path, *runs)
    assert series(reader, "trials") == [(0, 10.0, 1.0), (1, 20.0, 2.0)]
    assert series(reader, "best auc") == [(0, 10.0, 0.5)]


def test_a_later_launch_finds_the_digests_of_its_study_alone(tmp_path: Path) -> None:
    written(tmp_path, SHOP, ARM)
    assert connect(tmp_path).digests() == {SHOP.path: SHOP.digest, ARM.path: ARM.digest}
    options = tensorboard.Options(folder=str(tmp_path))
    assert tensorboard.connect(options, "shop 2027-01-01T00:00:00Z").digests() == {}


def test_what_a_killed_launch_wrote_last_is_written_once(tmp_path: Path) -> None:
    written(tmp_path, replace(TRIAL, points=TRIAL.points[:1]))
    events = next(tmp_path.rglob("events.*"))
    events.write_bytes(events.read_bytes() + b"half of a record" * 1000)
    assert series(written(tmp_path, TRIAL), "valid/auc") == [(1, 20.0, 0.5), (2, 40.0, 0.75)]


def test_a_run_that_has_not_changed_adds_no_byte(tmp_path: Path) -> None:
    written(tmp_path, TRIAL)
    content = next(tmp_path.rglob("events.*")).read_bytes()
    written(tmp_path, TRIAL)
    assert next(tmp_path.rglob("events.*")).read_bytes() == content


def test_a_run_that_is_deleted_while_it_is_written_begins_again(tmp_path: Path) -> None:
    tracker = connect(tmp_path)
    tracker.write(replace(TRIAL, points=TRIAL.points[:1]))
    next(tmp_path.rglob("events.*")).unlink()
    tracker.write(TRIAL)
    assert series(read(tmp_path, TRIAL), "valid/auc") == [(1, 20.0, 0.5), (2, 40.0, 0.75)]


def test_a_run_whose_events_were_cut_off_is_written_again(tmp_path: Path) -> None:
    written(tmp_path, TRIAL)
    events = next(tmp_path.rglob("events.*"))
    events.write_bytes(events.read_bytes()[:-5])
    assert connect(tmp_path).digests() == {}
    assert series(written(tmp_path, TRIAL), "cost/seconds") == [(0, 60.0, 41.0)]


def test_a_run_whose_notes_are_impossible_is_written_again(tmp_path: Path) -> None:
    written(tmp_path, TRIAL)
    next(tmp_path.rglob(tensorboard.NOTES)).write_text('{"path": ["shop"], "num_bytes": -5}')
    assert connect(tmp_path).digests() == {}
    assert series(written(tmp_path, TRIAL), "cost/seconds") == [(0, 60.0, 41.0)]


@pytest.mark.parametrize("name", ["events.*", tensorboard.NOTES])
def test_a_run_of_which_a_file_was_deleted_is_written_again(name: str, tmp_path: Path) -> None:
    written(tmp_path, TRIAL)
    next(tmp_path.rglob(name)).unlink()
    assert connect(tmp_path).digests() == {}
    assert series(written(tmp_path, TRIAL), "valid/auc") == [(1, 20.0, 0.5), (2, 40.0, 0.75)]


def test_a_run_without_times_takes_as_long_as_it_says(tmp_path: Path) -> None:
    seed = TrackedRun((*ARM.path, "hinet/3 seed 1"), "complete", seconds=12.5)
    start, end = hyperparameters(written(tmp_path, seed)).values()
    assert end.session_end_info.end_time_secs <= time.time()
    assert end.session_end_info.end_time_secs - start.session_start_info.start_time_secs == 12.5


def test_a_file_is_beside_the_events_of_its_run(tmp_path: Path) -> None:
    tracker = connect(tmp_path)
    tracker.write(SHOP)
    tracker.attach(SHOP.path, "report.html", "<p>é")
    assert (tmp_path / FOLDER / "report.html").read_text(encoding="utf-8") == "<p>é"


@pytest.mark.parametrize("name", ["../../x", "/x", "..", ".", "a/../../x"])
def test_no_name_of_a_study_or_an_arm_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    runs = tmp_path / "logs" / "runs"
    tracker = tensorboard.connect(tensorboard.Options(folder=str(runs)), name)
    tracker.write(SHOP)
    tracker.write(replace(ARM, path=("shop", name)))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 4, "events and notes of two runs"
    assert all(file.is_relative_to(runs) for file in files)


def test_the_place_of_the_runs_is_what_tensorboard_is_told(tmp_path: Path) -> None:
    assert connect(tmp_path).place == f"{tmp_path / FOLDER}, see tensorboard --logdir {tmp_path}"
