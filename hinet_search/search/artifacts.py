"""Artifacts: the folder of a study's weights and checkpoints, which is that study's alone.

Two databases may each have a study of one name; the folder's mark says whose files lie in it.
"""

import os
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
        if not _mark_of(folder)[1]:
            (folder / MARK).unlink(missing_ok=True)
        with suppress(FileExistsError), (folder / MARK).open("x", encoding="utf-8") as mark:
            mark.write(f"{study.uuid}\n'{study.name}' of {database}, begun {study.started}\n")
    except OSError as error:
        raise _unwritable(folder, str(error.strerror)) from error
    refuse_files_of_another(folder, study)


def refuse_unwritable(folder: Path) -> None:
    """EnvironmentFault unless the folder is there and can be written, or can be made."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    if not place.is_dir():
        raise _unwritable(folder, f"{place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"no permission in {place}")


def refuse_files_of_another(folder: Path, study: StudyRow | None) -> None:
    """StudyConflict when the folder is of another study than this one, which may have none yet.

    A folder without a mark is nobody's, and so is one whose mark was cut off while it was written.
    """
    uuid, is_whole, owner = _mark_of(folder)
    if is_whole and (study is None or uuid != study.uuid):
        raise StudyConflict(
            f"{folder} must hold the files of one study, but is that of another: {owner.strip() or 'not known which'}",
            remedy=f"name another --output or give the study another name (key 'name'); if the other one is gone, remove {folder}",
        )


def _mark_of(folder: Path) -> tuple[str, bool, str]:
    """The uuid in a folder's mark, whether it is there to its end, and whose it is in words."""
    mark = folder / MARK
    text = mark.read_text(encoding="utf-8") if mark.exists() else ""
    uuid, _, owner = text.partition("\n")
    return uuid, text.endswith("\n"), owner


def _unwritable(folder: Path, why: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"folder {folder} for weights and checkpoints cannot be written: {why}",
        remedy="name another folder with --output",
    )
