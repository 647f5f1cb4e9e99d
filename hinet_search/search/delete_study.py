"""Delete a study: its rows, Optuna's copies, weights and checkpoints.

Reports and encoded data stay, and test accesses: they count what was seen of a test split, which
nothing takes back.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete

from hinet_search.search import artifacts
from hinet_search.search.launch import artifacts_of
from hinet_search.storage import tables
from hinet_search.storage.engine import connect
from hinet_search.storage.lease import state_now
from hinet_search.storage.listing import find_study
from hinet_search.storage.optuna_copy import optuna_numbers
from hinet_search.storage.row_mapping import study_from_row
from hinet_search.storage.rows import StudyRow
from hinet_search.storage.store import StudyStore
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import check_study_name


@dataclass(frozen=True)
class StoredFiles:
    """What there is of a study: its state, and the folder of its weights, if it is there."""

    row: StudyRow
    state: str
    url: str
    folder: Path | None
    num_bytes: int


def stored_files(study: str, options: LaunchOptions) -> StoredFiles:
    """Say what `delete_study` would delete; errors are those of `find_study`."""
    name, url = options.stored_name(study)
    check_study_name(name)  # it becomes a path, and the database may be of someone else
    with closing(connect(url)) as database, database.reading() as connection:
        row = study_from_row(find_study(connection, name))
        state = state_now(connection, name, row.state)
    folder = artifacts_of(name, options)
    is_own = artifacts.is_own(folder, row)
    sizes = [path.lstat().st_size for path in folder.rglob("*")] if is_own else []
    return StoredFiles(row, state, url, folder if is_own else None, sum(sizes))


def delete_study(stored: StoredFiles) -> None:
    """Delete a study and its weights. The files go first, so that what is left can be found.

    Errors: StudyConflict while a process runs it, EnvironmentFault where files cannot be removed.
    """
    with closing(connect(stored.url, create=True)) as database:
        store = StudyStore(database, stored.row.name)
        store.acquire_lease()
        try:
            if stored.folder is not None:
                artifacts.remove(stored.folder, stored.row)
            _delete_rows(store)
        finally:
            store.release_lease()


def _delete_rows(store: StudyStore) -> None:
    """Delete the study's rows after its copies: a study of which copies are left is there."""
    database = store.database
    numbers = optuna_numbers(database, store.study)
    with database.guarded():
        for number in numbers.values():
            database.storage.delete_study(number)
    with database.writing() as connection:
        connection.execute(delete(tables.study).where(tables.study.c.name == store.study))
