"""Stored study: what is stored of a study before a launch, and how it is deleted.

Reports and encoded data stay, and test accesses: they count what was seen of a test split, which
nothing takes back.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete

from hinet_search.common.errors import EnvironmentFault
from hinet_search.search import artifacts
from hinet_search.search.identity import compare, identity
from hinet_search.search.launch import artifacts_of
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.storage import tables
from hinet_search.storage.damage import REMEDY
from hinet_search.storage.engine import connect, connect_if_there
from hinet_search.storage.lease import state_now
from hinet_search.storage.listing import find_study, list_studies
from hinet_search.storage.optuna_copy import optuna_numbers
from hinet_search.storage.row_mapping import StudyRow, study_from_row
from hinet_search.storage.store import StudyStore
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import check_study_name


@dataclass(frozen=True)
class StoredStudy:
    """A stored study that a launch would resume.

    `wider` describes how the new study extends it, which needs --extend.
    """

    state: str
    done: int
    budget: int
    wider: tuple[str, ...] = ()


def find_stored_study(ready: PreparedStudy, options: LaunchOptions) -> StoredStudy | None:
    """Return what is stored under the study's name.

    None when nothing is stored.
    Errors: as of connect_if_there, and StudyConflict when it is another study.
    """
    study = ready.study
    database = connect_if_there(options.storage_url(study))
    if database is None:
        return None
    with closing(database):
        store = StudyStore(database, study.name)
        stored = store.load_study()
        if stored is None:
            return None
        now = identity(study, ready.dataset.fingerprint)
        wider = compare(study.name, stored.spec_json, now, extend=True)
        (summary,) = [listed for listed in list_studies(database) if listed.name == study.name]
        if summary.damage:
            raise EnvironmentFault(summary.damage, remedy=REMEDY)
        budget = summary.budget  # in time, it is what the last round allowed
        if study.spec.budget is None:
            budget = 0
            for arm in study.arms:
                begun = sum(trial.counts for trial in store.trials(arm.name))
                budget += max(arm.most_trials(study.spec), begun)
    return StoredStudy(summary.state, summary.done, budget, wider)


@dataclass(frozen=True)
class StoredFiles:
    """What there is of a study: its state, and the folder of its weights, if it is there."""

    row: StudyRow
    state: str
    url: str
    folder: Path | None
    num_bytes: int


def stored_files(study: str, options: LaunchOptions) -> StoredFiles:
    """Say what `delete_study` would delete; errors as of `find_study`."""
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
