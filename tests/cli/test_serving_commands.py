"""export and predict, as they are typed."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from hinet_search import api
from hinet_search.serving.export import Export
from hinet_search.serving.onnx_graph import GraphCheck
from tests.cli.conftest import Run


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
    rows["user_attribute_0"] = range(90, 100)  # that no row of the study has
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
    assert "!!  many rows have a value of user_attribute_0 that training did not have" in done.err
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
