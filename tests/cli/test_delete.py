"""A stored study is deleted with its weights after a question; uses of its test split stay counted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from hinet_search.search import artifacts
from hinet_search.storage import tables
from hinet_search.storage.engine import connect
from hinet_search.storage.lease import this_process
from hinet_search.storage.store import StudyStore
from tests.cli.conftest import Run
from tests.storage.small_study import HINET, small_study, study_row

OUT = ("--output", "out")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder with two studies, weights of each, and a report."""
    out = tmp_path / "out"
    out.mkdir()
    database = small_study(out / "studies.sqlite3")
    StudyStore(database, "other").create_study(replace(study_row("other"), uuid="other"), [HINET])
    for name in ("small", "other"):
        row = StudyStore(database, name).load_study()
        assert row is not None
        folder = out / "artifacts" / name
        artifacts.claim(folder, row, database.url)
        (folder / "hinet").mkdir()
        (folder / "hinet" / "weights.safetensors").write_bytes(b"0" * 100_000)
    (out / "reports").mkdir()
    (out / "reports" / "small.html").write_text("a report")
    database.close()
    return out


def rows_of(out: Path, study: str) -> dict[str, int]:
    """The number of rows of a study in every table."""
    database = connect(str(out / "studies.sqlite3"))
    with database.reading() as connection:
        return {
            table.name: len(connection.execute(select(table).where(column == study)).all())
            for table in tables.metadata.sorted_tables
            for column in table.columns
            if column.name == ("name" if table.name == "hs_study" else "study")
        }


def copies(out: Path) -> list[str]:
    """The names of the studies that Optuna sees."""
    database = connect(str(out / "studies.sqlite3"))
    return sorted(study.study_name for study in database.storage.get_all_studies())


def test_rows_weights_and_copies_of_a_study_are_gone_and_no_others(run: Run, out: Path) -> None:
    assert copies(out)
    assert rows_of(out, "small")["hs_trial"] > 0
    seen = rows_of(out, "small")["hs_opening"]
    said = run("delete", "small", "--yes", *OUT)
    assert said.code == 0, said.err
    assert "deleted study 'small' and 104 kB in " in said.out
    assert rows_of(out, "small") == {**dict.fromkeys(rows_of(out, "small"), 0), "hs_opening": seen}
    assert not (out / "artifacts" / "small").exists()
    assert [name for name in copies(out) if name.startswith("small/")] == []
    assert rows_of(out, "other")["hs_arm"] == 1
    assert (out / "artifacts" / "other" / "hinet" / "weights.safetensors").exists()
    assert (out / "reports" / "small.html").read_text() == "a report"


def test_without_a_terminal_nothing_is_deleted_unasked(run: Run, out: Path) -> None:
    before = rows_of(out, "small")
    said = run("delete", "small", *OUT)
    assert said.code == 2
    assert "no terminal to ask on" in said.err
    assert "add --yes, as in hinet-search delete STUDY --yes" in said.err
    assert "Next:" not in said.err
    assert rows_of(out, "small") == before
    assert (out / "artifacts" / "small").is_dir()


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 2)])
def test_on_a_terminal_the_question_says_what_there_is(
    run: Run, out: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda question, **_: asked.append(question) or answer)
    assert run("delete", "small", *OUT).code == code
    folder = out / "artifacts" / "small"
    (question,) = asked
    assert question.startswith("delete study 'small' (")
    assert question.endswith(f" in {folder}?")
    assert folder.exists() != answer


def test_a_study_that_runs_is_not_deleted(run: Run, out: Path) -> None:
    database = connect(str(out / "studies.sqlite3"), create=True)
    holder = replace(this_process(), host="another-machine", pid=1)
    StudyStore(database, "small", holder=holder).acquire_lease()
    database.close()
    said = run("delete", "small", "--yes", *OUT)
    assert said.code == 5
    assert "another-machine" in said.err
    assert rows_of(out, "small")["hs_arm"] > 0
    assert (out / "artifacts" / "small").is_dir()


@pytest.mark.parametrize("kind", ["of another study", "without a mark", "a link"])
def test_a_folder_that_is_not_the_studys_own_is_left(
    run: Run, out: Path, tmp_path: Path, kind: str
) -> None:
    folder = out / "artifacts" / "small"
    mark = folder / artifacts.MARK
    if kind == "of another study":
        mark.write_text("other\nanother study\n")
    elif kind == "without a mark":
        mark.unlink()
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    said = run("delete", "small", "--yes", *OUT)
    assert said.code == 0
    assert "deleted study 'small' and no weights" in said.out
    assert (folder / "hinet" / "weights.safetensors").exists()


def test_a_name_that_is_a_path_deletes_nothing(run: Run, out: Path, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    said = run("delete", "..", "--yes", *OUT)
    assert said.code == 2
    assert out.is_dir()
    assert (tmp_path / "reports").is_dir()


def test_the_document_names_what_was_deleted(run: Run, out: Path) -> None:
    document = json.loads(run("delete", "small", "--yes", "--json", *OUT).out)
    assert document["kind"] == "delete"
    assert document["study"] == "small"
    assert document["folder"] == str(out / "artifacts" / "small")
    assert document["bytes"] > 100_000


def test_a_deleted_study_can_be_begun_again(run: Run, out: Path) -> None:
    run("delete", "small", "--yes", *OUT)
    database = connect(str(out / "studies.sqlite3"), create=True)
    StudyStore(database, "small").create_study(study_row(), [HINET])
    assert rows_of(out, "small")["hs_trial"] == 0
