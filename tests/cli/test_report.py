"""The report command: formats, where they are written, what is left out, the browser."""

import json
import re
import webbrowser
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hinet_search.report.mlflow_runs import EXPERIMENT
from tests.cli.conftest import Run


@pytest.fixture
def folder(launched_once: Path) -> Path:
    return launched_once


@pytest.fixture
def launched(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Enter the folder of the launched study and return its verdict."""
    monkeypatch.chdir(folder)
    (verdict,) = re.findall(r"^done in [^:]*: (.*)$", (folder / "said").read_text(), re.MULTILINE)
    return str(verdict)


def test_a_report_says_where_it_is_how_large_and_what_came_out(run: Run, launched: str) -> None:
    line = run("report", "small").out
    assert re.fullmatch(
        rf"wrote reports/small\.html \([\d.]+ .B, \d+\.\d s\): {re.escape(launched)}\n", line
    )


def test_every_format_is_written_beside_the_page_or_where_it_is_asked_for(
    run: Run, launched: str, folder: Path
) -> None:
    assert re.search(
        rf"small\.md \(\d kB, \d+\.\d s\): {re.escape(launched)}",
        run("report", "small", "--format", "md").out,
    )
    assert (folder / "reports" / "small.md").read_text().startswith(f"## {launched}")
    assert run("report", "small", "--format", "json", "--to", "a/b.txt").code == 0
    assert json.loads((folder / "a" / "b.txt").read_text())["verdict"]["sentence"] == launched
    said = run("report", "small", "--format", "csv", "--to", "out/small.csv").out
    names = [f"out/small.{table}.csv" for table in ("trials", "evaluations", "finalists")]
    assert said.startswith(f"wrote {', '.join(names)} (")
    assert all((folder / name).stat().st_size > 100 for name in names)


def test_json_is_the_document_of_that_format_on_stdout_and_writes_no_file(
    run: Run, launched: str, folder: Path
) -> None:
    assert run("report", "small", "--format", "json", "--to", "small.json").code == 0
    before = sorted(folder.rglob("*"))
    said = run("report", "small", "--json")
    assert (said.code, said.err, sorted(folder.rglob("*"))) == (0, "", before)
    assert json.loads(said.out) == json.loads((folder / "small.json").read_text())
    assert [json.loads(said.out)[key] for key in ("schema", "kind", "study")] == [
        1,
        "report",
        "small",
    ]


def test_json_is_public_where_that_is_asked_for(run: Run, launched: str, folder: Path) -> None:
    assert str(folder) not in run("report", "small", "--json", "--public").out


@pytest.mark.parametrize(
    "more", [("--to", "a.json"), ("--open",), ("--format", "md"), ("--mlflow",)], ids=" ".join
)
def test_json_takes_nothing_that_asks_for_a_file(run: Run, more: tuple[str, ...]) -> None:
    said = run("report", "small", "--json", *more)
    assert said.code == 2
    assert "--json prints a document: it excludes" in said.err


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own tables
def test_a_report_is_logged_to_mlflow_where_that_is_asked_for(
    run: Run, launched: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    number = client.create_experiment(EXPERIMENT, f"file://{tmp_path}/artifacts")
    said = run("report", "small", "--mlflow", uri)
    assert said.out.splitlines()[1] == f"logged to experiment {EXPERIMENT} at {uri}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert run("report", "small", "--public", "--mlflow").code == 0
    first, public = (
        Path(each.info.artifact_uri.removeprefix("file://"), "report.html").read_text()
        for each in sorted(client.search_runs([number]), key=lambda run: run.info.start_time)
        if each.info.run_name == "small"
    )
    assert "small.yaml" in first
    assert "small.yaml" not in public


def test_a_public_report_names_no_folder_of_its_writer(
    run: Run, launched: str, folder: Path
) -> None:
    for kind in ("md", "json"):
        assert run("report", "small", "--format", kind, "--public").code == 0
        assert str(folder) not in (folder / "reports" / f"small.{kind}").read_text()
    assert "small.yaml" not in (folder / "reports" / "small.json").read_text()


@pytest.mark.parametrize("starts", [True, False])
def test_a_report_is_opened_in_a_browser(
    run: Run, launched: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, starts: bool
) -> None:
    asked: list[str] = []

    def pretended(url: str) -> bool:
        asked.append(url)
        return starts

    monkeypatch.setattr(webbrowser, "open", pretended)
    said = run("report", "small", "--open")
    assert asked == [(folder / "reports" / "small.html").as_uri()]
    assert ("no browser could be started" in said.err) != starts
