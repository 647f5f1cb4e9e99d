"""Statement: whether a query is one that only reads.

A study file may be a stranger's. Its query begins with SELECT, WITH or VALUES; beyond that each
engine is held to reading by its own means (`engines.py`), and where it has none by the words of
the query. These are sought in texts and comments too, which engines write in many ways.
"""

import re

from hinet_search.common.errors import DataError

QUERY_KEY = "data.source.query"
BEGINNINGS = ("SELECT", "WITH", "VALUES")
_BEFORE_THE_FIRST_WORD = re.compile(r"(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"\w+", re.ASCII)
# A query may be all that a database lets a user do: after the first statement without a semicolon
# (SQL Server), behind WITH, or as a clause of SELECT.
_WRITES = (
    *("INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "OUTFILE", "DUMPFILE", "BULK", "TRUNCATE"),
    *("CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "DENY", "CALL", "EXEC", "EXECUTE", "BEGIN"),
    *("COMMIT", "ROLLBACK", "BACKUP", "RESTORE", "SHUTDOWN", "KILL", "DBCC", "RECONFIGURE"),
    *("OPENROWSET", "OPENQUERY", "OPENDATASOURCE", "WAITFOR", "SET", "USE", "FUNCTION"),
    *("PROCEDURE", "COPY", "UNLOAD", "EXPORT", "PUT", "LOAD", "INSTALL", "ATTACH", "PRAGMA"),
)
_WRITING_WORD = re.compile(rf"\b({'|'.join(_WRITES)})\b|\b[sx]p_\w+|;", re.IGNORECASE)
# Functions of PostgreSQL that a read-only transaction lets a superuser call: they write files of
# the server, connect elsewhere, steer the server or other sessions, or run a text as a query.
_EFFECTS = re.compile(
    r"\b(lo_(ex|im)port|dblink\w*|pg_file_\w+|pg_(terminate|cancel)_backend|pg_reload_conf"
    r"|pg_rotate_logfile\w*|pg_promote|pg_switch_(wal|xlog)|pg_create_restore_point|pg_log_\w+"
    r"|pg_(start_|stop_)?backup\w*|pg_wal_replay_\w+|pg_logical_\w+|pg_replication_\w+|pg_sync_\w+"
    r"|pg_(create|drop|copy|alter)_\w+|pg_stat_reset\w*|pg_stat_statements_reset|pg_notify"
    r"|pg_import_system_collations|pg_(try_)?advisory\w*|pg_prewarm|autoprewarm\w*|set_config"
    r"|(query|table|cursor|schema|database)_to_xml\w*|xpath_table|ts_stat|ts_rewrite|crosstab\w*"
    r"|connectby|pg_read_(binary_)?file|pg_ls_\w+|pg_stat_file|pg_sleep\w*|pg_export_snapshot)\b"
    r'|\bu&"',
    re.IGNORECASE,
)


def check_query(query: str) -> str:
    """Return a query that begins as one that reads, without a semicolon at its end.

    ValueError for any other.
    """
    beginning = _BEFORE_THE_FIRST_WORD.match(query)
    first = _WORD.match(query, beginning.end() if beginning else 0)
    if first is None or first[0].upper() not in BEGINNINGS:
        got = first[0] if first else "none of these"
        raise ValueError(
            f"a query only reads: it must begin with {', '.join(BEGINNINGS)}, got {got:.40}"
        )
    stripped = query.rstrip()
    return stripped.removesuffix(";") if stripped.endswith(";") else query


def as_sub_query(query: str) -> str:
    """Return a statement that has the rows of a query, and that no engine takes for another.

    A sub-query cannot copy to a file or program, lock rows, or hold an INSERT behind WITH.
    """
    return f"SELECT * FROM (\n{query}\n) AS query"  # noqa: S608 -- the text is the user's query


def refuse_effects(query: str) -> None:
    """DataError for a query of PostgreSQL that calls a function with effects, or may hide one."""
    found = _EFFECTS.search(query)
    if found is not None:
        raise DataError(
            f"{QUERY_KEY}: must only read rows of tables, got "
            f"{found[1] or 'a name with escapes (U&)'}",
            remedy="leave it out, or make a view of it in the database and read the view",
        )


def refuse_writes(query: str) -> None:
    """DataError for a query of an engine without means of its own that may do more than read."""
    found = _WRITING_WORD.search(query)
    if found is not None:
        raise DataError(
            f"{QUERY_KEY}: must be one statement that only reads, got {found[0]}",
            remedy="where it is meant as a text or a name, make a view of it in the database and "
            "read the view",
        )
