"""Studies that share a database do not slow each other down: no statement of a study reads the trials of all."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from hinet_search.storage.engine import connect
from tests.search.pretended import Studio
from tests.storage.small_study import small_study

LARGE = (
    "trials",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_system_attributes",
    "hs_trial",
    "hs_evaluation",
    "hs_finalist",
)


@contextmanager
def statements() -> Iterator[dict[str, object]]:
    """Return every statement that any engine runs in the context, with the last values of its parameters."""
    seen: dict[str, object] = {}

    def note(*called: Any) -> None:
        _, _, statement, values, _, is_many = called
        seen[statement] = values[0] if is_many else values

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_no_statement_of_a_launch_reads_the_trials_of_all_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tmp_path / "h.db"
    small_study(url).close()
    with statements() as seen:
        Studio(tmp_path, monkeypatch).launch(storage=str(url))
    with closing(connect(str(url))) as database, database.reading() as connection:
        plans = {
            statement: " ; ".join(
                row[-1]
                for row in connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", values
                ).all()
            )
            for statement, values in seen.items()
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))
        }
    assert len(plans) > 20
    ways = [f"SCAN {name}" for name in LARGE] + [
        "(param_name=?)"
    ]  # the name alone is that of every study's parameter
    assert {
        statement: plan for statement, plan in plans.items() if any(way in plan for way in ways)
    } == {}
