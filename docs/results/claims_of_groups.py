"""Claims of groups: how often an input is falsely said to order groups worse than chance.

`python docs/results/claims.py --part groups` makes tables of visits whose labels are drawn by the
visit's own rate, reads each as a study does, and asks the product's check (data/inspect).
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from claims import Asked

from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.rank_groups import with_rank_groups
from hinet_search.data.inspect.group_order import order_warnings
from hinet_search.data.rows import read_rows
from hinet_search.study.data_definition import DataDefinition

MINUTE, HOUR = 60, 3600


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {"An input orders rows within visits worse than chance": list(_of_visits())}


@dataclass(frozen=True)
class Visits:
    """Users with visits of some rows; labels of a visit are drawn by its own rate.

    With `heavy`, users have visits by a Pareto law. By `as_of: row`, rates go on inside a visit.
    """

    as_of: str
    users: int = 150
    visits: int = 8
    heavy: bool = False

    def warnings(self, draw: np.random.Generator) -> list[str]:
        """Return what the check says of one table."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            self._table(draw).write_parquet(path / "visits.parquet")
            definition = DataDefinition.model_validate(self._definition())
            rows = with_rank_groups(definition, read_rows(definition, path, path))
            return order_warnings(definition, rows, derive_numbers(definition, rows))

    def _table(self, draw: np.random.Generator) -> pl.DataFrame:
        number = np.full(self.users, self.visits)
        if self.heavy:
            number = np.minimum(1 + (draw.pareto(1.2, self.users) * 4).astype(int), 200)
        user = np.repeat(np.arange(self.users), number)
        start = draw.permutation(len(user)) * 2 * HOUR
        length = draw.integers(2, 10, len(user))
        visit = np.repeat(np.arange(len(user)), length)
        nth = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length)
        rate = draw.beta(2, 4, len(user))
        return pl.DataFrame(
            {
                "tab": draw.integers(2, size=len(visit)),
                "user": user[visit],
                "item": draw.integers(60, size=len(visit)),
                "second": start[visit] + nth * 5 * MINUTE,
                "click": (draw.random(len(visit)) < rate[visit]).astype(np.int8),
                "price": draw.normal(size=len(visit)),
            }
        )

    def _definition(self) -> dict[str, object]:
        events = {"by": ["user", "item"], "labels_after": "0s", "windows": ["1h", "all"], "last": 2}
        statistics = {"by": ["user"], "clock": "second", "day_length": 24 * HOUR, "refresh": "day"}
        return {
            "source": {"kind": "table", "path": "visits.parquet"},
            "scenario": {"column": "tab"},
            "tasks": {"click": {"column": "click"}},
            "user": "user",
            "time": "second",
            "time_unit": "s",
            "rank": {"visit": "30m", "as_of": self.as_of},
            "features": {"numeric": ["price"], "events": events, "statistics": statistics},
            "split": {"by": "random"},
        }


@dataclass(frozen=True)
class GroupQuestion:
    """Whether some input is accused, and the largest share of tables in which it may be."""

    words: str
    made: Visits
    limit: float | None = None
    part: float = 0.5

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether it happens in one table."""
        return bool(self.made.warnings(draw))


def _of_visits() -> Iterator[GroupQuestion]:
    for users, heavy in ((30, False), (150, False), (150, True)):
        of_users = f"{users} users with {'Pareto' if heavy else 'eight'} visits"
        right = Visits("group", users, heavy=heavy)
        leaking = Visits("row", users, heavy=heavy)
        yield GroupQuestion(f"{of_users}, as of the visit's first row: accused", right, 0.05)
        yield GroupQuestion(f"{of_users}, rates go on inside a visit: found", leaking)
