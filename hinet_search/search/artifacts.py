"""Artifacts: the folder of a study's weights and checkpoints, which is that study's alone.

Two databases may each have a study of one name; the folder's mark says whose files lie in it.
"""

from contextlib import suppress
from pathlib import Path

from hinet_search.errors import EnvironmentFault, StudyConflict
from hinet_search.private import make_folder
from hinet_search.storage.rows import StudyRow

MARK = "owner.txt"


def claim(folder: Path, study: StudyRow, database: str) -> None:
    """Makes the folder the study's; StudyConflict when it is another's, be it since a moment ago; EnvironmentFault when it cannot be written."""
    try:
        make_folder(folder)
        with suppress(FileExistsError), (folder / MARK).open("x", encoding="utf-8") as mark:
            mark.write(f"{study.uuid}\n'{study.name}' of {database}, begun {study.started}\n")
    except OSError as error:
        raise EnvironmentFault(
            f"folder {folder} for weights and checkpoints cannot be written: {error.strerror}",
            remedy="name another folder with --output",
        ) from error
    refuse_files_of_another(folder, study)


def refuse_files_of_another(folder: Path, study: StudyRow) -> None:
    """StudyConflict when the folder is another study's; a folder without a mark is nobody's."""
    mark = folder / MARK
    if not mark.exists():
        return
    uuid, _, owner = mark.read_text(encoding="utf-8").partition("\n")
    if uuid != study.uuid:
        raise StudyConflict(
            f"{folder} must hold the files of one study, but is that of another: {owner.strip() or 'not known which'}",
            remedy=f"name another --output or give the study another name (key 'name'); if the other one is gone, remove {folder}",
        )
