"""A read-only folder: stored studies are read, and the error of a write says which option moves the output."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from hinet_search.dashboard.access import Access
from hinet_search.dashboard.server import make_server
from tests.cli.conftest import Run
from tests.read_only import in_read_only_folder
from tests.small import write_study
from tests.storage.small_study import small_study

OUTPUT = ("--output", "runs")


@pytest.fixture(autouse=True)
def stored(tmp_path: Path) -> None:
    small_study(tmp_path / "runs" / "studies.sqlite3").close()


def command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from hinet_search.cli import main; main()", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_and_report_read_it(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()

    def read() -> None:
        said = command(tmp_path, "status", *OUTPUT)
        assert (said.returncode, "small" in said.stdout) == (0, True), said.stderr
        said = command(tmp_path, "report", "small", *OUTPUT, "--to", "reports/small.html")
        assert (said.returncode, said.stdout[:5]) == (0, "wrote"), said.stderr

    in_read_only_folder(tmp_path / "runs", read)


def test_a_report_that_cannot_be_written_there_names_another_place(tmp_path: Path) -> None:
    def write() -> None:
        said = command(tmp_path, "report", "small", *OUTPUT)
        assert said.returncode == 4
        assert "report runs/reports/small.html cannot be written: " in said.stderr
        assert "hinet-search report small --to FILE writes it elsewhere" in said.stderr

    in_read_only_folder(tmp_path, write)


def test_the_dashboard_serves_it(tmp_path: Path) -> None:
    def serve() -> None:
        with make_server(str(tmp_path / "runs" / "studies.sqlite3"), Access(port=0)) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            for page in ("study/small", "api/studies"):
                with closing(urlopen(f"http://127.0.0.1:{server.server_port}/{page}")) as answer:
                    assert b"small" in answer.read()
            server.shutdown()

    in_read_only_folder(tmp_path, serve)


def test_a_cache_that_cannot_be_written_is_reported_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(tmp_path)
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("HINET_SEARCH_CACHE", str(tmp_path / "cache"))

    def check() -> None:
        said = command(tmp_path, "check", "small.yaml", "--output", "new")
        assert said.returncode == 4
        assert "Traceback" not in said.stderr
        assert f"{tmp_path}/cache cannot be written: " in said.stderr
        assert "name another place (-o, --to, --output, HINET_SEARCH_CACHE)" in said.stderr

    in_read_only_folder(tmp_path / "cache", check)


def test_a_launch_there_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    write_study(tmp_path)

    def launch() -> None:
        said = command(
            tmp_path, "launch", "small.yaml", "--storage", "runs/studies.sqlite3", "--output", "new"
        )
        assert said.returncode == 4
        assert (
            "database runs/studies.sqlite3 cannot be written: no permission in folder"
            in said.stderr
        )

    in_read_only_folder(tmp_path / "runs", launch)


def test_a_damaged_study_is_a_line_of_status_and_its_code(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "studies.sqlite3"
    database = small_study(path, "other")
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE hs_study SET budget_json = '[]' WHERE name = 'small'")
    database.close()
    said = run("status", *OUTPUT)
    assert said.code == 4
    table = said.out.partition("\n\n")[0].splitlines()[1:]
    assert [line.split()[:2] for line in table] == [["other", "done"], ["small", "damaged"]]
    assert (
        f"error: database sqlite:///{OUTPUT[1]}/studies.sqlite3 is damaged: table hs_study, name 'small'"
        in said.err
    )
    assert run("status", *OUTPUT, "--json").code == 4
