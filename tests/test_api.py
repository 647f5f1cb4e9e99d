"""The Python interface: public names, tidy frames of a record, and how a notebook shows it."""

import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import polars as pl
import pytest

import hinet_search as hs
from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.plan import probe
from hinet_search.study.launch_options import LaunchOptions, call_text
from tests.report.studies import small
from tests.small import STUDY, write_study

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text()


def test_every_public_name_is_there_and_on_the_page() -> None:
    for name in hs.__all__:
        assert getattr(hs, name).__doc__, name
        assert re.search(rf"`{name}[`(]", PAGE), name
    assert set(hs.__all__) <= set(dir(hs))


def test_the_page_names_every_option() -> None:
    sentence = PAGE[PAGE.index("Options are named") : PAGE.index("A record has")]
    assert all(f"`{option.name}`" in sentence for option in fields(LaunchOptions))


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lunch'"):
        hs.lunch  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_nothing_but_itself() -> None:
    code = "import sys; before = set(sys.modules); import hinet_search; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} == {
        "hinet_search"
    }


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    return small()


def test_a_frame_of_trials_has_a_row_per_trial_and_a_column_per_setting(
    record: StudyRecord,
) -> None:
    frame = record.trials
    assert frame.height == sum(len(arm.trials) for arm in record.arms)
    names = {parameter_range.name for arm in record.arms for parameter_range in arm.ranges}
    assert names <= set(frame.columns)
    for arm in record.arms:
        for trial in arm.trials:
            (row,) = frame.filter(arm=arm.name, trial=trial.number).to_dicts()
            assert row["value"] == trial.value
            assert row["state"] == trial.state
            for (
                name,
                value,
            ) in trial.parameters.items():  # one that is of several kinds in the arms is text
                assert row[name] == (str(value) if isinstance(row[name], str) else value)


def test_moments_of_trials_are_moments(record: StudyRecord) -> None:
    begun = replace(
        record.arms[0].trials[0],
        started="2026-05-03T10:00:00+00:00",
        finished="2026-05-03T10:00:30+00:00",
    )
    open_ = replace(begun, number=1, finished="")
    frame = replace(record, arms=(replace(record.arms[0], trials=(begun, open_)),)).trials
    assert (frame["finished"] - frame["started"]).dt.total_seconds().to_list() == [30, None]


def test_a_frame_of_evaluations_has_those_of_trials_and_of_finalists(record: StudyRecord) -> None:
    of_trials = sum(len(trial.evaluations) for arm in record.arms for trial in arm.trials)
    of_runs = sum(
        len(run.evaluations)
        for arm in record.arms
        for finalist in arm.finalists
        for run in finalist.runs
    )
    frame = record.evaluations
    assert frame.filter(pl.col("seed").is_null()).height == of_trials
    assert frame.filter(pl.col("seed").is_not_null()).height == of_runs


def test_a_frame_of_finalists_has_a_row_per_seed_split_and_cell(record: StudyRecord) -> None:
    frame = record.finalists
    runs = [
        (arm, finalist, run)
        for arm in record.arms
        for finalist in arm.finalists
        for run in finalist.runs
    ]
    assert frame.height == sum(
        len(run.valid_cells) + len(run.test_cells or ()) for _, _, run in runs
    )
    arm, finalist, run = runs[0]
    cell = run.valid_cells[0]
    (row,) = frame.filter(
        arm=arm.name,
        trial=finalist.trial_number,
        seed=run.seed,
        split="valid",
        scenario=cell.scenario,
        task=cell.task,
    ).to_dicts()
    assert (row["auc"], row["rows"], row["positives"], row["chosen"]) == (
        cell.auc,
        cell.rows,
        cell.positives,
        finalist.chosen,
    )


def test_frames_of_a_study_without_a_trial_are_empty_and_have_their_columns(
    record: StudyRecord,
) -> None:
    empty = replace(
        record, arms=tuple(replace(arm, trials=(), finalists=()) for arm in record.arms)
    )
    assert empty.trials.columns == record.trials.columns
    assert (empty.trials.height, empty.evaluations.height, empty.finalists.height) == (0, 0, 0)


def test_a_setting_of_several_kinds_is_text_and_one_of_numbers_is_a_number(
    record: StudyRecord,
) -> None:
    name = record.arms[0].ranges[0].name
    arm = replace(
        record.arms[0],
        trials=tuple(
            replace(trial, parameters={name: value})
            for trial, value in zip(record.arms[0].trials, (1, "wide", True), strict=False)
        ),
    )
    assert replace(record, arms=(arm,)).trials[name].dtype == pl.String
    numbers = tuple(
        replace(trial, parameters={name: value})
        for trial, value in zip(arm.trials, (1, 2.5), strict=False)
    )
    assert replace(record, arms=(replace(arm, trials=numbers),)).trials[name].to_list() == [
        1.0,
        2.5,
    ]


def test_a_notebook_shows_the_verdict_and_the_arms_in_little_and_escaped_html(
    record: StudyRecord,
) -> None:
    shown = replace(record, name="<script>alert(1)</script>", verdict="HiNet wins.")._repr_html_()
    assert "done: HiNet wins." in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert all(f"<td>{arm.name}</td>" in shown for arm in record.arms)
    assert len(shown) < 8000
    many = replace(record, arms=record.arms * 30)
    assert "more arms" in many._repr_html_()


def test_the_text_of_a_record_is_one_short_line(record: StudyRecord) -> None:
    assert re.fullmatch(rf"<StudyRecord {record.name}, \w+, \d+ arms, \d+ trials>", repr(record))


def test_a_launch_is_recorded_as_it_was_called_without_a_password() -> None:
    call = call_text(
        "launch", "shop", {"trials": 2, "storage": "postgresql://me:s3cret@db/studies"}
    )
    assert (
        call
        == "hinet_search.launch('shop', trials=2, storage='postgresql+psycopg://me:***@db/studies')"
    )


def test_a_launch_into_a_folder_is_recorded_with_its_path() -> None:
    called = call_text("launch", "shop", {"output": Path("out"), "slots": 2})
    assert called == "hinet_search.launch('shop', output='out', slots=2)"


def test_a_folder_may_be_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probe, "probe", lambda *_: probe.ProbeResult(1.0, 2.0, 1000))
    planned = hs.check(str(write_study(tmp_path)), output="out", settings={"passes": 1})
    assert planned.ready.study.spec.passes == 1
    assert (tmp_path / "out" / "cache").is_dir()


def test_a_study_that_is_made_ready_to_launch_takes_its_warm_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(
        write_study(tmp_path, STUDY.replace("rows: 4000", "rows: 400") + "warm_start: [x]\n")
    )
    assert api.ready(path, LaunchOptions(), to_launch=False).study.spec.warm_start == ("x",)
    with pytest.raises(ConfigurationError, match="warm_start needs studies in the database of"):
        api.ready(path, LaunchOptions())
