"""Where a study is stored: by the option, else the environment, else its file, else in the output folder."""

from pathlib import Path

import pytest

from hinet_search.study.launch_options import LaunchOptions
from tests.cli.conftest import Run
from tests.small import STUDY, write_study
from tests.storage.small_study import small_study

SECRET = "storage: postgresql://ann:s3cret@localhost/studies\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The database that the study's file names; the study is in ./studies and was launched."""
    (tmp_path / "studies").mkdir()
    write_study(tmp_path / "studies", STUDY + "storage: elsewhere.db\n")
    small_study(tmp_path / "elsewhere.db").close()
    return tmp_path / "elsewhere.db"


def test_a_report_is_of_the_database_that_the_file_names(run: Run, elsewhere: Path) -> None:
    said = run("report", "studies/small.yaml")
    assert said.code == 0, said.err
    assert "wrote reports/small.html" in said.out


def test_status_of_a_study_lists_the_database_that_its_file_names(
    run: Run, elsewhere: Path
) -> None:
    assert run("status").code == 4
    assert "\nsmall " in run("status", "small").out


def test_a_dashboard_of_a_study_serves_the_database_that_its_file_names(
    run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "hinet_search.dashboard.server.serve",
        lambda url, access, say, study: served.append((url, study)),
    )
    assert run("dashboard", "small").code == 0
    assert served == [("elsewhere.db", "small")]


def test_option_environment_file_and_folder_count_in_this_order(
    run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LaunchOptions().stored_name("small")[1] == "elsewhere.db"
    assert LaunchOptions().storage_url() == ".hinet-search/studies.sqlite3"
    monkeypatch.setenv("HINET_SEARCH_STORAGE", "environment.db")
    assert LaunchOptions().stored_name("small")[1] == "environment.db"
    assert LaunchOptions(storage="option.db").stored_name("small")[1] == "option.db"


def test_a_stored_study_without_a_file_is_found_by_its_name(run: Run, elsewhere: Path) -> None:
    small_study("elsewhere.db", "no-file").close()
    assert run("report", "no-file", "--storage", "elsewhere.db").code == 0


@pytest.mark.parametrize("command", ["check", "launch"])
def test_a_password_in_a_study_file_is_refused_and_not_repeated(
    run: Run, tmp_path: Path, command: str
) -> None:
    write_study(tmp_path, STUDY + SECRET)
    said = run(command, "small.yaml", "--storage", "h.db")
    assert (said.code, "s3cret" in said.out + said.err) == (2, False)
    line = STUDY.count("\n") + 1
    assert said.err == (
        f"error: small.yaml:{line}:1: a study file is stored and shown in its report, so its storage must hold no password\n"
        f"  {line} | storage: postgresql://ann:***@localhost/studies\n"
        "     | ^^^^^^^\n"
        "leave the password out and set PGPASSFILE, or set HINET_SEARCH_STORAGE to the whole URL\n"
        "Next: hinet-search check small.yaml\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_a_password_on_the_command_line_is_warned_of(run: Run, elsewhere: Path) -> None:
    said = run("status", "--storage", "postgresql://ann:s3cret@localhost:1/studies")
    assert (
        "others on this machine can read a password on a command line: set HINET_SEARCH_STORAGE"
        in said.err
    )
    assert "s3cret" not in said.err
