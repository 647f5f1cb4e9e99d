"""Delete: remove a study's rows and its copies for Optuna.

Test accesses stay: they count what was seen of a test split, which nothing takes back.
"""

from sqlalchemy import delete

from hinet_search.storage import tables
from hinet_search.storage.optuna_copy import optuna_numbers
from hinet_search.storage.store import StudyStore


def delete_rows(store: StudyStore) -> None:
    """Delete the study of a store that holds its lease; the copies go first.

    If the process dies in between, the study is there, and can be deleted again.
    """
    database = store.database
    numbers = optuna_numbers(database, store.study)
    with database.guarded():
        for number in numbers.values():
            database.storage.delete_study(number)
    with database.writing() as connection:
        connection.execute(delete(tables.study).where(tables.study.c.name == store.study))
