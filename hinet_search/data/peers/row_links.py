"""Row links: files of train, valid and test as one table, without copying a row.

Our table is a folder of links: the folders `split_of_rows=train` and so on are the column of the
split, and a folder `one_scenario=all` above them is the scenario of data that have none.
"""

import os
from pathlib import Path

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault, shortened
from hinet_search.data.formats.suffixes import IN_WORDS, is_table
from hinet_search.data.peers.found import SPLITS, FoundRows
from hinet_search.data.table_files import find

SPLIT = "split_of_rows"
ONE_SCENARIO = "one_scenario"
ALL = "all"
TEST_IS_VALID = "there are no rows of test: they are those of valid, which the search has seen"


def split_folder(folder: Path, split: str, *, has_scenario: bool) -> Path:
    """Return the folder of the rows of a split."""
    root = folder if has_scenario else folder / f"{ONE_SCENARIO}={ALL}"
    return root / f"{SPLIT}={split}"


def found_files(rows: FoundRows) -> tuple[dict[str, tuple[Path, ...]], str]:
    """Return the files of every split, and what is to be checked about them.

    There are none if they cannot be read as they are.
    """
    if rows.problem:
        return {}, rows.problem
    missing = [split for split in SPLITS[:2] if split not in rows.paths]
    if missing:
        return {}, f"there are no rows of {' and '.join(missing)}"
    files = {}
    for split, path in rows.paths.items():
        files[split] = _files(path, rows)
        if not files[split]:
            return {}, f"no table at {shortened(path)} ({IN_WORDS})"
    if "test" in files:
        return files, ""
    return {**files, "test": files["valid"]}, TEST_IS_VALID


def _files(path: str, rows: FoundRows) -> tuple[Path, ...]:
    """Return the files at a path, from the first folder that has any; none for a URL."""
    if "://" in path or "**" in path or "\0" in path:
        return ()
    for folder in rows.folders:
        try:
            files = find(path, folder, "rows").files
        except DataError:  # none there
            continue
        if all(map(is_table, files)):
            return files
    return ()


def check_free(folder: Path, *, force: bool) -> None:
    """ConfigurationError if the folder of links is there, and must not or cannot be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not force:
        raise ConfigurationError(
            f"{folder} is there already",
            remedy="name another with --name, or write over it with --force",
        )
    others = [path for path in _below(folder) if not path.is_symlink()]
    if folder.is_symlink() or not folder.is_dir() or others:
        got = others[0] if others else folder
        raise ConfigurationError(
            f"{folder} must be a folder of links to be replaced, got {got}",
            remedy="name another with --name, or move it away",
        )


def _below(folder: Path) -> list[Path]:
    """Return the files and links below a folder, without following links."""
    paths: list[Path] = []
    for root, folders, files in os.walk(folder, followlinks=False):
        names = [*files, *(name for name in folders if (Path(root) / name).is_symlink())]
        paths += [Path(root) / name for name in names]
    return paths


def link(folder: Path, files: dict[str, tuple[Path, ...]], *, has_scenario: bool) -> None:
    """Write the links of every split, in place of links that are there."""
    try:
        for old in _below(folder):
            old.unlink()
        for split, of_split in files.items():
            inside = split_folder(folder, split, has_scenario=has_scenario)
            inside.mkdir(parents=True, exist_ok=True)
            width = len(str(len(of_split)))
            for number, file in enumerate(of_split):
                # The number keeps the order, and a name that begins with `_` from being skipped.
                (inside / f"{number:0{width}}-{file.name}").symlink_to(file.resolve())
    except OSError as error:
        raise EnvironmentFault(
            f"{folder} cannot be written: {error.strerror}",
            remedy="go to a folder that can be written",
        ) from error
