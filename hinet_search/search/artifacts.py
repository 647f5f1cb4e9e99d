"""Artifacts: the folder of a study's weights and checkpoints, which belongs to that study alone.

Two databases may have studies of the same name. A mark in the folder names the study that owns it.
"""

import os
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.common.files import make_folder
from hinet_search.storage.row_mapping import StudyRow

MARK = "owner.txt"


def claim(folder: Path, study: StudyRow, database: str) -> None:
    """Make the folder and mark it as the study's.

    Errors: StudyConflict when it belongs to another study, also when that one claimed it just now;
    EnvironmentFault when it cannot be written.
    """
    try:
        make_folder(folder)
        if not _mark_of(folder)[1]:
            (folder / MARK).unlink(missing_ok=True)
        with suppress(FileExistsError), (folder / MARK).open("x", encoding="utf-8") as mark:
            mark.write(f"{study.uuid}\n'{study.name}' of {database}, begun {study.started}\n")
    except OSError as error:
        raise _unwritable(folder, str(error.strerror)) from error
    refuse_files_of_another(folder, study)


def remove(folder: Path, study: StudyRow) -> None:
    """Remove the folder of a study, which `is_own`; EnvironmentFault if it cannot be removed."""
    assert is_own(folder, study), "another study's files are not touched"
    try:
        rmtree(folder)
    except OSError as error:
        raise EnvironmentFault(
            f"folder {folder} of the study's weights cannot be removed: {error}"
        ) from error


def is_own(folder: Path, study: StudyRow) -> bool:
    """Whether the folder is there, and marked as the study's."""
    return folder.is_dir() and not folder.is_symlink() and _mark_of(folder)[0] == study.uuid


def refuse_unwritable(folder: Path) -> None:
    """Raise EnvironmentFault unless the folder exists and can be written, or can be made."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir():
        raise _unwritable(folder, f"{place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"no permission in {place}")


def refuse_files_of_another(folder: Path, study: StudyRow | None) -> None:
    """Raise StudyConflict when the folder belongs to another study; `study` is None for a new one.

    A folder without a mark, or with a mark whose write was cut off, belongs to no study.
    """
    uuid, is_complete, owner = _mark_of(folder)
    if is_complete and (study is None or uuid != study.uuid):
        raise StudyConflict(
            f"{folder} must hold the files of one study, but is that of another: "
            f"{owner.strip() or 'not known which'}",
            remedy="name another --output or give the study another name (key 'name'); "
            f"if the other one is gone, remove {folder}",
        )


def _mark_of(folder: Path) -> tuple[str, bool, str]:
    """Read a folder's mark: the uuid, whether the mark is complete, and the owner in words."""
    mark = folder / MARK
    text = mark.read_text(encoding="utf-8") if mark.exists() else ""
    uuid, _, owner = text.partition("\n")
    return uuid, text.endswith("\n"), owner


def _unwritable(folder: Path, reason: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"folder {folder} for weights and checkpoints cannot be written: {reason}",
        remedy="name another folder with --output",
    )
