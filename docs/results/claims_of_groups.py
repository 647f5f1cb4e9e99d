"""Claims of groups: how often an input or a model is falsely said to order groups badly.

`python docs/results/claims.py --part groups` makes tables of visits whose labels are drawn by the
visit's own rate, reads each as a study does, and asks the product's check (data/inspect). It also
makes studies whose arms have an AUC within groups, and asks the check of the trust card.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from claims import Asked, World

from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.rank_groups import with_rank_groups
from hinet_search.data.inspect.group_order import order_warnings
from hinet_search.data.rows import read_rows
from hinet_search.report.checks import within_groups
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.data_definition import DataDefinition

MINUTE, HOUR = 60, 3600


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {
        "An input orders rows within visits worse than chance": list(_of_visits()),
        "The model to take orders groups worse than another arm": list(_of_models()),
    }


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


@dataclass(frozen=True)
class OrderQuestion:
    """How often the model to take is said to order groups worse than another arm.

    `within` is the world of the AUC within groups; None if it is the AUC over all rows itself.
    """

    words: str
    world: World
    within: World | None = None
    limit: float | None = None
    part: float = 1.0

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether the trust card of one study says so."""
        record = self.world.study(draw)
        within = record if self.within is None else self.within.study(draw)
        found = within_groups.check(_ranked(record, within))
        return found is not None and found.warns


def _ranked(record: StudyRecord, within: StudyRecord) -> StudyRecord:
    """Return the study whose AUC within groups is the AUC of another one."""
    arms = tuple(map(_ranked_arm, record.arms, within.arms))
    return replace(record, arms=arms)


def _ranked_arm(arm: ArmRecord, within: ArmRecord) -> ArmRecord:
    mine, other = chosen(arm), chosen(within)
    if not (mine and mine.summary and other and other.summary):
        raise ValueError("every arm must have a summary")
    runs = tuple(
        replace(run, test_cells=tuple(map(_ranked_cell, run.test_cells or (), of.test_cells or ())))
        for run, of in zip(mine.runs, other.runs, strict=True)
    )
    drawn = replace(mine.summary.resampled, within=other.summary.resampled.headline)
    ranked: FinalistRecord = replace(
        mine, runs=runs, summary=replace(mine.summary, resampled=drawn)
    )
    return replace(arm, finalists=tuple(ranked if each is mine else each for each in arm.finalists))


def _ranked_cell(cell: CellValue, within: CellValue) -> CellValue:
    return replace(cell, further={"rank_auc": within.auc})


def _of_models() -> Iterator[OrderQuestion]:
    loud = World(spreads=(0.0005, *(0.0029,) * 8), users=0.0003)
    two = World(names=("hinet", "mmoe"), spreads=(0.0015,) * 2, gains=(0.0,) * 2)
    for words, world in (("nine arms", World()), ("nine of unequal seeds", loud), ("two", two)):
        equal = f"{words}, equal within groups"
        yield OrderQuestion(f"{equal}: one is worse", world, world, limit=0.05)
        yield OrderQuestion(f"{equal}, by the AUC of all rows: one is worse", world, limit=0.05)
    first = World(gains=(0.004, *(0.0,) * 8))  # the first arm is to be taken
    for gain in (0.004, 0.008):
        ahead = World(gains=(0.0, *(gain,) * 8))
        words = f"nine arms, eight of them {gain:.3f} ahead within groups".replace("0.", ".")
        yield OrderQuestion(f"{words}: the other one is worse", first, ahead)
