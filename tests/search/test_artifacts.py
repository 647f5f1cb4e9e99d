"""A study keeps its files: a study of the same name in another database, or a later one, does not take them."""

from pathlib import Path

import pytest

from hinet_search.common.errors import StudyConflict
from hinet_search.search.artifacts import MARK
from tests.search.pretended import Studio


def test_a_study_of_the_same_name_in_another_database_is_refused_before_it_is_made(
    studio: Studio,
) -> None:
    studio.launch()
    other = studio.folder / "other.db"
    with pytest.raises(
        StudyConflict, match="must hold the files of one study, but is that of another: 's' of "
    ) as caught:
        studio.launch(storage=str(other))
    assert f"{studio.folder}/out/studies.sqlite3, begun 20" in caught.value.problems[0]
    assert caught.value.remedy.startswith(
        "name another --output or give the study another name (key 'name')"
    )
    assert not other.exists()


def test_a_stored_study_does_not_resume_in_the_folder_of_another(
    studio: Studio, tmp_path: Path
) -> None:
    first, _ = studio.launch(trials=1)
    (folder,) = (studio.folder / "out" / "artifacts").iterdir()
    mark = (folder / MARK).read_text()
    (folder / MARK).write_text("another\n")
    with pytest.raises(StudyConflict, match="must hold the files of one study"):
        studio.launch(trials=3)
    (folder / MARK).write_text(mark)
    record, _ = studio.launch(trials=3)
    assert (len(first.arms[0].trials), len(record.arms[0].trials)) == (1, 3)


def test_a_study_that_is_made_again_does_not_take_the_files_of_the_one_before(
    studio: Studio,
) -> None:
    studio.launch()
    for path in (studio.folder / "out").glob("studies.sqlite3*"):
        path.unlink()
    with pytest.raises(StudyConflict, match="if the other one is gone, remove "):
        studio.launch()


def test_a_database_may_move_and_its_studies_keep_their_files(studio: Studio) -> None:
    studio.launch()
    moved = studio.folder / "moved.db"
    (studio.folder / "out" / "studies.sqlite3").rename(moved)
    _, pretender = studio.launch(storage=str(moved))
    assert pretender.jobs == []


def test_a_folder_from_before_there_were_marks_is_taken_by_the_first_that_comes(
    studio: Studio,
) -> None:
    studio.launch()
    (folder,) = (studio.folder / "out" / "artifacts").iterdir()
    mark = (folder / MARK).read_text()
    (folder / MARK).unlink()
    studio.launch()
    assert (folder / MARK).read_text() == mark


@pytest.mark.parametrize("left", ["", "0123456789abcd"])
def test_a_mark_that_was_cut_off_while_it_was_written_keeps_no_study_out(
    studio: Studio, left: str
) -> None:
    studio.launch(trials=1)
    (folder,) = (studio.folder / "out" / "artifacts").iterdir()
    whole = (folder / MARK).read_text()
    (folder / MARK).write_text(left)
    studio.launch(trials=2)
    assert (folder / MARK).read_text() == whole
