"""An interrupted conversion: whole tables or none, and the same command goes on."""

from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.spaced import say_nothing
from hinet_search.data.get import get
from tests.data.published_kuairand import impression, small, write

LOG = "kuairand_pure/log.parquet"
HISTORY = "kuairand_pure/user_history.parquet"


def interrupted(raw: Path, out: Path, *, force: bool = False) -> None:
    """Convert until the second table."""

    def tell(said: str) -> None:
        if said == f"writing {out / HISTORY}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get("kuairand-pure", raw, out, tell, force=force)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Files of which a conversion to `out` was interrupted."""
    raw = write(tmp_path / "raw", small())
    interrupted(raw, tmp_path / "out")
    return raw


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def written(out: Path) -> int:
    return (out / LOG).stat().st_mtime_ns


@pytest.mark.usefixtures("raw")
def test_after_an_interruption_whole_tables_are_there_and_no_study(out: Path) -> None:
    assert len(pl.read_parquet(out / LOG)) == 3
    left = [path.name for path in out.rglob("*") if path.is_file()]
    assert sorted(left) == [".kuairand-pure.finished.json", "log.parquet"]


def test_the_same_command_keeps_whole_tables_and_writes_the_others(raw: Path, out: Path) -> None:
    before = written(out)
    said: list[str] = []
    converted = get("kuairand-pure", raw, out, said.append)
    assert said == [
        f"keeping {out / LOG}, which was written before an interruption",
        f"writing {out / HISTORY}",
    ]
    assert written(out) == before
    assert converted.tables == {out / LOG: 3, out / HISTORY: 1}
    assert converted.kept == (out / LOG,)
    assert converted.study.exists()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_table_is_kept_after_any_number_of_interruptions(raw: Path, out: Path) -> None:
    interrupted(raw, out)
    assert get("kuairand-pure", raw, out, say_nothing).kept == (out / LOG,)


def test_force_writes_whole_tables_again(raw: Path, out: Path) -> None:
    before = written(out)
    assert get("kuairand-pure", raw, out, say_nothing, force=True).kept == ()
    assert written(out) != before


def test_a_table_of_files_that_changed_is_written_again(raw: Path, out: Path) -> None:
    write(raw, small(later=[impression()]))
    assert get("kuairand-pure", raw, out, say_nothing).tables[out / LOG] == 1


def test_a_table_that_changed_after_it_was_written_is_written_again(raw: Path, out: Path) -> None:
    (out / LOG).write_bytes(b"half")
    assert get("kuairand-pure", raw, out, say_nothing).tables[out / LOG] == 3


def test_notes_that_are_broken_are_no_notes(raw: Path, out: Path) -> None:
    (out / ".kuairand-pure.finished.json").write_text("{")
    assert get("kuairand-pure", raw, out, say_nothing).kept == ()


@pytest.mark.usefixtures("raw")
def test_a_table_of_files_in_another_folder_is_written_again(tmp_path: Path, out: Path) -> None:
    other = write(tmp_path / "other", small())
    assert get("kuairand-pure", other, out, say_nothing).kept == ()
