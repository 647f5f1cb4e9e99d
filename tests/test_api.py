"""The Python interface: public names, tidy frames of a record, and how a notebook shows it."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import hinet_search as hs
from hinet_search import api
from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.plan import probe
from hinet_search.study.checked_call import checked_call
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


def test_the_text_of_a_record_is_a_line_and_its_verdict_is_printed_below(
    record: StudyRecord,
) -> None:
    line = rf"<StudyRecord {record.name}, \w+, \d+ arms, \d+ trials>"
    assert re.fullmatch(line, repr(record))
    assert re.fullmatch(f"{line}\nThere is no verdict yet.", str(replace(record, verdict="")))
    assert re.fullmatch(f"{line}\nHiNet wins.", str(replace(record, verdict="HiNet wins.")))


def test_a_launch_is_recorded_as_it_was_called_with_its_folder_and_without_a_password() -> None:
    call = call_text(
        "launch", "shop", {"trials": 2, "storage": "postgresql://me:s3cret@db/studies"}
    )
    assert (
        call
        == "hinet_search.launch('shop', trials=2, storage='postgresql+psycopg://me:***@db/studies')"
    )
    called = call_text("launch", "shop", {"output": Path("out"), "slots": 2})
    assert called == "hinet_search.launch('shop', output='out', slots=2)"


def test_a_folder_may_be_a_text_and_the_text_of_a_plan_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probe, "probe", lambda *_: probe.ProbeResult(1.0, 2.0, 1000))
    planned = hs.check(str(write_study(tmp_path)), output="out", settings={"epochs": 1})
    assert planned.ready.study.spec.epochs == 1
    assert (tmp_path / "out" / "cache").is_dir()
    assert re.fullmatch(
        r"<Plan small: 6 trials, then .* on cpu, about \d+ s, .* of disk; arms .*mmoe>",
        repr(planned),
    )


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


A_PATH = "must be a text or an instance of PathLike"
A_TEXT = "must be a text"
A_NUMBER = "must be an integer"
A_TRUTH = "must be true or false"
A_FRAME = "must be an instance of DataFrame"
A_DEVICE = "must be 'auto', 'cpu' or 'cuda'"
A_MAPPING = "must be a mapping of keys"
WRONG: dict[str, tuple[str, tuple[object, ...]]] = {
    **dict.fromkeys(("study", "to", "folder"), (A_PATH, (3, None, b"x", ["x"], {}, True))),
    **dict.fromkeys(("rows", "log", "output"), (A_PATH, (3, b"x", ["x"], {}, True))),
    **dict.fromkeys(("arm", "at", "executor", "address"), (A_TEXT, (3, b"x", ["x"], Path("x")))),
    **dict.fromkeys(("storage", "size", "variant"), (A_TEXT, (3, b"x", ["x"], Path("x")))),
    **dict.fromkeys(("command", "name"), (A_TEXT, (3, None, b"x", Path("x")))),
    **dict.fromkeys(("trials", "finalist_seeds", "slots", "seed"), (A_NUMBER, ("3", 1.5, True))),
    **dict.fromkeys(("calibrated", "onnx", "extend", "trial_cells"), (A_TRUTH, (1, "yes", None))),
    "frame": (A_FRAME, ([1], None, "rows.parquet", pl.LazyFrame())),
    "device": (A_DEVICE, ("gpu", 0)),
    "seeds": ("must be 'best' or 'all'", (3, [1, 2], "mean")),
    "plugins": ("must be a (list|text)", ("package", 3, None, [3])),
    "say": ("must be a function", (3, "x", None)),
    "watcher": ("must be an instance of Watcher", (3, print)),
    "settings": (f"({A_MAPPING}|keys in 'settings' must be texts)", (["a"], "a=1", None, {3: 4})),
}
FUNCTIONS: dict[str, Callable[..., object]] = {
    **{name: getattr(hs, name) for name in hs.__all__ if inspect.isfunction(getattr(hs, name))},
    "Study": hs.Study,
    "LoadedModel.predict": hs.LoadedModel.predict,
}
UNCHECKED = (
    "self",
    "data",
    "keys",
    "options",
)  # `data` and keys of a study have words of their own


def arguments_of(function: Callable[..., object]) -> list[str]:
    names = list(inspect.signature(function).parameters)
    options = [option.name for option in fields(LaunchOptions)] if "options" in names else []
    return [name for name in (*names, *options) if name not in UNCHECKED]


CALLS = [(name, argument) for name in FUNCTIONS for argument in arguments_of(FUNCTIONS[name])]


@pytest.mark.parametrize(("name", "argument"), CALLS, ids=map(".".join, CALLS))
def test_an_argument_of_a_wrong_type_is_refused_in_words(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words, wrong_values = WRONG[argument]
    if (name, argument) == ("LoadedModel.predict", "log"):
        words, wrong_values = A_FRAME, ("rows.parquet", [1])
    signature = inspect.signature(FUNCTIONS[name])
    needed = [each.name for each in signature.parameters.values() if each.default is each.empty]
    given: dict[str, Any] = {each: "x" for each in needed if each not in ("keys", "options")}
    if "frame" in given:
        given["frame"] = pl.DataFrame()
    for wrong in wrong_values:
        with pytest.raises(ConfigurationError) as caught:
            FUNCTIONS[name](**{**given, argument: wrong})
        (problem,) = caught.value.problems
        assert re.match(rf"{name}: ({argument}(\.0)?: )?{words}", problem)
        assert ", got " in problem
    assert list(tmp_path.iterdir()) == []


def test_a_frame_in_place_of_a_path_is_refused_with_the_call_that_scores_it() -> None:
    with pytest.raises(
        ConfigurationError, match=r"(?s)rows: must be.*load_model\(folder\)\.predict"
    ):
        hs.predict("winner", pl.DataFrame({"age": [1]}))  # type: ignore[call-arg, arg-type]


def test_an_option_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"launch: unknown argument 'trails'; .* 'trials'\?"
    ):
        hs.launch("quickstart", trails=3)


def test_a_path_may_be_a_study_and_plugins_a_list() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no study 'missing\.yaml'"):
        hs.check(Path("missing.yaml"), plugins=[])  # type: ignore[arg-type]


def test_a_path_that_the_system_refuses_is_told_in_words() -> None:
    opened = checked_call(Path.read_bytes)
    with pytest.raises(EnvironmentFault, match="x cannot be used: File name too long"):
        opened(Path("x" * 300))
    with pytest.raises(FileNotFoundError):
        opened(Path("missing"))
