"""A refused launch, whatever the reason, leaves no file and no study behind, except encoded data."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hinet_search.storage.engine import connect
from hinet_search.storage.lease import Holder, acquire, this_process
from hinet_search.storage.listing import list_studies
from hinet_search.storage.tables import VERSION
from tests.cli.conftest import Run
from tests.postgres import emptied
from tests.small import STUDY, write_study

DATABASE = Path(".hinet-search") / "studies.sqlite3"
SHORT = ("--trials", "1", "--finalist-seeds", "1", "--slots", "1")
Arrange = Callable[
    [pytest.MonkeyPatch], tuple[int, str, tuple[str, ...]]
]  # code and words of the refusal, options


def wrong_study(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    write_study(Path(), STUDY.replace("trials: 3", "trails: 3"))
    return 2, "small.yaml:24:1: unknown key 'trails'; did you mean 'trials'?", ()


def wrong_data(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    write_study(Path(), STUDY.replace("categorical: [user_id,", "categorical: [no_such_column,"))
    return 3, "no_such_column", ()


def no_number_of_seconds(patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    patch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", "soon")
    write_study(Path())
    return 2, "CHECKPOINT_SECONDS must be a number of seconds >= 0, got 'soon'", ()


def no_device(patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    patch.setattr("torch.cuda.is_available", lambda: False)
    write_study(Path())
    return 4, "CUDA_VISIBLE_DEVICES", ("--device", "cuda")


def no_room(patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    patch.setattr("hinet_search.common.files.free_bytes", lambda _: 1)
    write_study(Path())
    return 4, "1 are free", ()


def no_cluster(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    write_study(Path())
    return 4, "no Ray cluster can be used", ("--executor", "ray", "--address", "127.0.0.1:1")


def newer_tables(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    write_study(Path())
    connect("h.db", create=True).close()
    with sqlite3.connect("h.db") as connection:
        connection.execute("UPDATE hs_schema SET version = ?", (VERSION + 1,))
    connection.close()
    return 5, f"tables of version {VERSION + 1}", ("--storage", "h.db")


def artifacts_in_a_file(patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    write_study(Path())
    patch.setenv("HINET_SEARCH_CACHE", "cache")
    DATABASE.parent.mkdir()
    (DATABASE.parent / "artifacts").touch()
    return 4, "for weights and checkpoints cannot be written", ()


@pytest.mark.parametrize(
    "arrange",
    [
        wrong_study,
        wrong_data,
        no_number_of_seconds,
        no_device,
        no_room,
        no_cluster,
        newer_tables,
        artifacts_in_a_file,
    ],
    ids=lambda arrange: arrange.__name__,
)
def test_a_first_launch_that_is_refused_leaves_no_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrange: Arrange
) -> None:
    code, words, options = arrange(monkeypatch)
    before = files(tmp_path)
    said = run("launch", "small.yaml", *SHORT, *options)
    assert said.code == code, said.err
    assert words in said.err
    assert (said.out, "Traceback" in said.err) == ("", False)
    assert files(tmp_path) == before


def test_a_report_that_cannot_be_written_ends_with_code_4(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    (tmp_path / "reports").write_text("a file where the folder should be")
    said = run("launch", "small.yaml", *SHORT)
    assert said.code == 4
    assert "error: report reports/small.html cannot be written" in said.err
    assert "hinet-search report small --to FILE" in said.err


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which study `small` is done."""
    import hinet_search

    folder = tmp_path_factory.mktemp("launched")
    options = {"trials": 1, "finalist_seeds": 1, "slots": 1}
    hinet_search.launch(str(write_study(folder)), output=folder / DATABASE.parent, **options)
    return folder


def held(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    here = this_process()
    database = connect(str(DATABASE), create=True)
    with database.writing() as connection:
        acquire(connection, "small", Holder(here.host, 1, here.boot_id))  # process 1 always lives
    database.close()
    return 5, "is run by process 1 on", ()


def another_space(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    write_study(Path(), STUDY + "fixed: {train.batch_size: 512}\n")
    return 5, "exists with another", ()


def files_of_another(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    return (
        5,
        "must hold the files of one study, but is that of another",
        ("--storage", "new/other.db"),
    )


def cluster_that_is_gone(_patch: pytest.MonkeyPatch) -> tuple[int, str, tuple[str, ...]]:
    return 4, "no Ray cluster can be used", ("--executor", "ray", "--address", "127.0.0.1:1")


@pytest.mark.parametrize(
    "arrange",
    [held, another_space, files_of_another, cluster_that_is_gone],
    ids=lambda arrange: arrange.__name__,
)
def test_a_further_launch_that_is_refused_leaves_the_study_as_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launched: Path, arrange: Arrange
) -> None:
    shutil.copytree(launched, tmp_path, dirs_exist_ok=True)
    code, words, options = arrange(monkeypatch)
    before, studies = files(tmp_path), stored()
    said = run("launch", "small.yaml", *SHORT, *options)
    assert said.code == code, said.err
    assert words in said.err
    assert (files(tmp_path), stored()) == (before, studies)


@pytest.mark.postgres
def test_a_refused_launch_makes_no_table_on_a_server(
    run: Run, tmp_path: Path, launched: Path, postgres: Any
) -> None:
    shutil.copytree(launched, tmp_path, dirs_exist_ok=True)
    url = emptied(postgres)
    assert run("launch", "small.yaml", *SHORT, "--storage", url).code == 5
    assert "hs_schema" not in postgres.psql(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )


def files(folder: Path) -> dict[str, bytes]:
    """Every file by its path with its content; encoded data and what SQLite has beside its database are left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)
    kept = [path for path in paths if not path.name.endswith(("-wal", "-shm"))]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in kept
        if path.name != DATABASE.name
    }


def stored() -> object:
    database = connect(str(DATABASE))
    try:
        return list_studies(database)
    finally:
        database.close()
