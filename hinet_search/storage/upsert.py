"""Upsert: one statement that both databases understand, so that a replayed write changes nothing."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, row: Mapping[str, object], keep: Collection[str] = ()) -> None:
    """Inserts the row, or updates the one with its primary key in all columns but `keep`.

    In a table with attempts a row of an older attempt than the stored one is dropped.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**row)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in row if name not in keys and name not in keep}
    is_current = statement.excluded["attempt"] >= table.c.attempt if "attempt" in table.c else None
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed, where=is_current))


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Inserts the row unless its primary key is there; whether it did. Waits for a concurrent insert of the same key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None
