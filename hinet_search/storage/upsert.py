"""Upsert: one statement that both databases understand, so that a replayed write changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

_COUNTED = {"preserve_rowcount": True}  # else an INSERT has none on PostgreSQL


def upsert(connection: Connection, table: Table, row: Mapping[str, object], keep: Collection[str] = ()) -> bool:
    """Inserts the row, or updates the one with its primary key in all columns but `keep`; returns whether it is written.

    In a table with attempts a row of an older attempt than the stored one is dropped.
    """
    statement = _statement(connection.dialect.name, table, tuple(row), tuple(keep))
    return connection.execute(statement, row, execution_options=_COUNTED).rowcount > 0


def upsert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Inserts rows with the same columns, or updates those with their primary keys."""
    if rows:
        connection.execute(_statement(connection.dialect.name, table, tuple(rows[0]), ()), rows)


@cache
def _statement(dialect: str, table: Table, names: tuple[str, ...], keep: tuple[str, ...]) -> Executable:
    """To build it takes longer than to run it."""
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in names if name not in keys and name not in keep}
    is_current = statement.excluded["attempt"] >= table.c.attempt if "attempt" in table.c else None
    made: Executable = statement.on_conflict_do_update(index_elements=keys, set_=changed, where=is_current)
    return made


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Inserts the row unless its primary key is there; whether it did. Waits for a concurrent insert of the same key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None
