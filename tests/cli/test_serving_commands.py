"""export and predict, as they are typed."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

from hinet_search import api, exported
from hinet_search.results.statistics.paired_difference import Direction
from hinet_search.serving.export import Export
from hinet_search.serving.newer.comparison import CellChange
from hinet_search.serving.newer.fit_again import FitOptions, NewerModel
from hinet_search.serving.nightly.outcome import Gain, Night
from hinet_search.serving.onnx_graph import GraphCheck
from tests.cli.conftest import Run
from tests.forked import typed
from tests.small import write_study
from tests.waiting import LIMIT_SECONDS


@pytest.fixture(scope="module")
def launched_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launched")
    write_study(folder)
    command = typed(folder, "launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1")
    assert command.wait(timeout=LIMIT_SECONDS) == 0
    return folder


@pytest.fixture
def launched(run: Run, tmp_path: Path, launched_once: Path) -> Path:
    """The folder of a done study, which is the current one, with new rows."""
    shutil.copytree(launched_once, tmp_path, dirs_exist_ok=True)
    columns = (
        "user_id",
        "item_id",
        "user_attribute_0",
        "item_attribute_0",
        "numeric_0",
        "numeric_1",
    )
    rows = {"scenario": ["home"] * 8 + ["push"] * 2} | {name: range(10) for name in columns}
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    return tmp_path


@pytest.mark.usefixtures("launched")
def test_an_export_says_what_it_wrote_and_checked_and_predict_what_it_scored(run: Run) -> None:
    exported = run("export", "small.yaml/mmoe", "-o", "winner")
    assert exported.code == 0, exported.err
    first, second = exported.out.splitlines()
    assert re.fullmatch(
        r"wrote winner/: card.md \d+ kB, config.yaml \d+ kB, weights.safetensors [\d.]+ .B, \d+ more",
        first,
    )
    assert re.fullmatch(
        r"checked: \d{3} test rows score the same as in training \(max difference [\d.]+\)", second
    )
    assert (
        exported.err.splitlines()[-1]
        == "Next: hinet-search predict winner rows.parquet -o scores.parquet"
    )
    done = run("predict", "winner", "rows.parquet", "-o", "scores.parquet")
    assert done.code == 0, done.err
    assert re.fullmatch(
        r"10 rows in [\d.]+ s -> scores.parquet \(click, order\); unseen: .*\n", done.out
    )
    assert "!!  many rows have a value of" in done.err
    assert run("export", "small.yaml/mmoe", "-o", "winner").code == 2
    assert run("predict", "winner", "none.parquet", "-o", "scores.parquet").code == 3


@pytest.mark.usefixtures("launched")
def test_json_has_what_is_printed(run: Run) -> None:
    exported = json.loads(run("export", "small.yaml", "-o", "winner", "--json").out)
    assert (exported["kind"], exported["study"], exported["why"]) == (
        "export",
        "small",
        "the best on validation",
    )
    done = json.loads(
        run("predict", "winner", "rows.parquet", "-o", "scores.parquet", "--json").out
    )
    assert (done["kind"], done["rows"], done["tasks"]) == ("predict", 10, ["click", "order"])


@pytest.mark.usefixtures("launched")
def test_an_error_about_a_study_without_its_file_says_how_it_was_launched(run: Run) -> None:
    said = run("export", "small/mmoe", "-o", "winner")
    assert said.code == 2
    assert "name the file as it was launched: hinet-search launch small.yaml" in said.err


@pytest.mark.usefixtures("launched")
def test_monitor_marks_what_has_changed(run: Run) -> None:
    assert run("export", "small.yaml/mmoe", "-o", "winner").code == 0
    done = run("monitor", "winner", "rows.parquet", "-o", "drift.md")
    assert done.code == 0, done.err
    first, *lines = done.out.splitlines()
    assert re.fullmatch(
        r"10 rows \(users: as 10 of equal activity\), "
        r"compared with [\d,]+ of training of small/mmoe",
        first,
    )
    marks = {line.split()[1]: line.split()[0] for line in lines}
    assert set(marks) >= {"scenarios", "ids", "inputs", "numbers", "labels"}
    assert marks["numbers"] == "!!"  # users are known, so chance does not explain it
    assert "numeric_" in next(line for line in lines if line.split()[1] == "numbers")
    assert Path("drift.md").read_text().startswith("# Drift: small/mmoe\n")
    document = json.loads(run("monitor", "winner", "rows.parquet", "--json").out)
    assert (document["kind"], document["rows"], document["is_notable"]) == ("monitor", 10, True)


@pytest.mark.parametrize(
    ("amounts", "noun"),
    [((), "probability"), (("watch",), "prediction")],
    ids=["labels", "amounts"],
)
def test_an_export_with_a_graph_says_how_it_scores(
    amounts: tuple[str, ...], noun: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = GraphCheck(difference=6e-8, amounts=amounts)

    def export(_study: str, to: Path, *, onnx: bool, **_: object) -> Export:
        assert onnx
        return Export(to, "shop", "hinet", 1, (1,), (), "", {}, 800, 0.0, graph)

    monkeypatch.setattr(api, "export", export)
    said = run("export", "shop/hinet", "-o", "winner", "--format", "onnx")
    assert said.out.splitlines()[-1] == (
        f"model.onnx scores the same rows as predict does (max difference of a {noun} 6e-08)"
    )


def test_an_unknown_format_is_told_with_the_nearest(run: Run) -> None:
    said = run("export", "shop/hinet", "-o", "winner", "--format", "onxx")
    assert said.code == 2
    assert "must be one of onnx, got 'onxx'; did you mean 'onnx'?" in " ".join(said.err.split())


def newer_model(to: Path, *, is_written: bool, mark: Direction) -> NewerModel:
    cells = (
        CellChange("Home", "click", 1200, 300, 0.7012, 0.7101, 0.55, 0.54, 0.02, 0.01),
        CellChange("Push", "click", 80, 0, None, None, 0.05, 0.04, 0.01, 0.01),
        CellChange("Push", "watch", 80, 9, 0.6, 0.7, 0.9, 0.8, 0.02, 0.01, 17.5, 16.25, 9.0, 8.5),
    )
    gain = {"better": 0.0089, "unclear": 0.001, "worse": -0.1}[mark]
    return NewerModel(
        folder=to,
        model="shop/hinet",
        parent="0" * 64,
        rows=6400,
        held_out=1280,
        judging=631,
        units="143 users",
        unlabelled=20,
        new_ids={"user": 1412},
        forgotten_ids={"user": 1200, "item": 3},
        passes=(1.25, 2.0),
        objective="mean_auc",
        before=0.7012,
        after=0.7012 + gain,
        gain=gain,
        gain_low=gain - 0.005,
        gain_high=gain + 0.005,
        mark=mark,
        cells=cells,
        verdict={"unclear": "no difference shown"}.get(mark, f"{mark} than before"),
        files={"config.yaml": 1000, "weights.safetensors": 2_000_000} if is_written else {},
    )


def test_a_refit_says_what_both_models_are_worth_by_cell(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def refit(_folder: Path, _rows: str, to: Path, **options: object) -> NewerModel:
        asked.update(options)
        return newer_model(to, is_written=True, mark="better")

    monkeypatch.setattr(exported, "refit", refit)
    said = run("refit", "winner", "rows.parquet", "-o", "newer", "--learning-rate", "1e-4")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "shop/hinet: better than before, on 631 held-out rows",
        "learned from 5,120 rows, 1.25 to 2.00 passes; new ids: user 1,412",
        "forgotten ids: user 1,200, item 3",
        "20 rows without a label are left out",
        "Home · click      1,200 rows  AUC .7012 -> .7101  log loss .5500 -> .5400  ECE .0200 -> .0100",
        "Push · click         80 rows  AUC – -> –  log loss .0500 -> .0400  ECE .0100 -> .0100",
        "Push · watch         80 rows  AUC .6000 -> .7000  log loss .9000 -> .8000  ECE .0200 -> .0100  RMSE 17.50 -> 16.25  MAE 9.000 -> 8.500",
        "wrote newer/: 2 files, 2.00 MB",
    ]
    assert said.err.splitlines()[-1] == (
        "Next: hinet-search predict newer rows.parquet -o scores.parquet"
    )
    assert FitOptions(
        **{field.name: asked[field.name] for field in fields(FitOptions)}
    ) == FitOptions(learning_rate=1e-4)


def test_a_worse_model_is_told_and_ends_with_code_5_unless_it_is_written(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refit(_folder: Path, _rows: str, to: Path, **options: object) -> NewerModel:
        return newer_model(to, is_written=bool(options["even_if_worse"]), mark="worse")

    monkeypatch.setattr(exported, "refit", refit)
    said = run("refit", "winner", "rows.parquet", "-o", "newer")
    assert said.code == 5
    assert said.out.startswith("shop/hinet: worse than before, on 631 held-out rows\n")
    assert "nothing is written" in said.err
    assert "--even-if-worse" in said.err
    assert "Next:" not in said.err
    printed = run("refit", "winner", "rows.parquet", "-o", "newer", "--json")
    document = json.loads(printed.out)
    assert printed.code == 5
    assert (document["kind"], document["is_worse"], document["is_written"]) == (
        "refit",
        True,
        False,
    )
    forced = run("refit", "winner", "rows.parquet", "-o", "newer", "--even-if-worse")
    assert forced.code == 0, forced.err
    assert "!!  it is shown to be worse than the shipped model, and written all" in forced.out


def test_a_model_of_which_no_difference_is_shown_is_written_and_not_called_better(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refit(_folder: Path, _rows: str, to: Path, **_: object) -> NewerModel:
        return newer_model(to, is_written=True, mark="unclear")

    monkeypatch.setattr(exported, "refit", refit)
    said = run("refit", "winner", "rows.parquet", "-o", "newer")
    assert said.code == 0, said.err
    assert said.out.startswith("shop/hinet: no difference shown, on 631 held-out rows\n")
    assert "better" not in said.out
    document = json.loads(run("refit", "winner", "rows.parquet", "-o", "newer", "--json").out)
    assert (document["mark"], document["is_worse"], document["is_written"]) == (
        "unclear",
        False,
        True,
    )
    assert document["gain_low"] < 0 < document["gain_high"]


def night_of(outcome: str, alarms: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> Night:
    return Night(
        began="2026-05-04T02:00:00+00:00",
        rows="monday.parquet",
        num_rows=1200,
        outcome=outcome,
        served="0002",
        verdict="better than before",
        by_refit=Gain(0.01, 0.004, 0.016),
        forgotten_ids={"user": 12} if outcome == "promoted" else {},
        alarms=alarms,
        warnings=warnings,
    )


@pytest.mark.parametrize(
    ("night", "lines"),
    [
        (
            night_of("promoted"),
            [
                "promoted: better than before; served/current serves 0002, after 1,200 rows",
                "forgotten ids: user 12",
                "ok  no alarm",
            ],
        ),
        (
            night_of("kept", ("inputs: price .52 from training",)),
            [
                "kept: better than before; served/current serves 0002, after 1,200 rows",
                "!!  inputs: price .52 from training",
            ],
        ),
        (
            night_of("learned before", warnings=("registry: shop is away",)),
            [
                "these 1,200 rows are learned already; served/current serves 0002",
                "!!  registry: shop is away",
            ],
        ),
        (
            night_of("kept", warnings=("registry: shop is away",)),
            [
                "kept: better than before; served/current serves 0002, after 1,200 rows",
                "ok  no alarm",
                "!!  registry: shop is away",
            ],
        ),
    ],
)
def test_a_night_says_what_is_served_and_every_alarm(
    run: Run, monkeypatch: pytest.MonkeyPatch, night: Night, lines: list[str]
) -> None:
    monkeypatch.setattr(exported, "nightly", lambda *_, **__: night)
    said = run("nightly", "winner", "monday.parquet", "-o", "served")
    assert (said.code, said.out.splitlines()) == (0, lines)
    assert "Next: hinet-search monitor served/current monday.parquet" in said.err
    document = json.loads(run("nightly", "winner", "monday.parquet", "-o", "served", "--json").out)
    assert (document["kind"], document["outcome"]) == ("nightly", night.outcome)
    assert document["by_refit"] == {"mean": 0.01, "low": 0.004, "high": 0.016}


def test_a_night_takes_rows_or_is_rolled_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def roll_back(
        _folder: Path, to: Path, *, registry: str | None, warn: Callable[[str], None]
    ) -> Path:
        if registry is not None:
            warn(f"registry: {registry} is away")
        return to / "models" / "0001"

    monkeypatch.setattr(exported, "roll_back", roll_back)
    said = run("nightly", "winner", "-o", "served", "--roll-back")
    assert said.out == "served/current serves served/models/0001 again\n"
    words = ("nightly", "winner", "-o", "served", "--roll-back", "--registry", "shop")
    assert run(*words).out == f"{said.out}!!  registry: shop is away\n"
    document = json.loads(run(*words, "--json").out)
    assert (document["served"], document["warnings"]) == ("0001", ["registry: shop is away"])
    assert run("nightly", "winner", "-o", "served").code == 2
    assert run("nightly", "winner", "rows.parquet", "-o", "served", "--roll-back").code == 2
