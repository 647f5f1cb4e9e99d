"""Small random logs, and the inputs of events and sessions by plain loops over pairs of rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.countable_labels import PARTS
from hinet_search.data.derived.event_log import NO_TIME, Moments
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition, SessionDefinition, TimeSpan
from tests.data import tables

TASKS = ("click", "seconds", "buy")
AMOUNT, PARTIAL = 1, 2  # the second task has amounts, and one scenario lacks the third
TRAIN, VALID, TEST = range(3)


@dataclass(frozen=True)
class RandomLog:
    """A log of seconds with ties, nulls and duplicates, and definitions of its inputs."""

    rows: Rows
    moments: Moments
    events: EventsDefinition
    session: SessionDefinition


def random_log(seed: int) -> RandomLog:
    """Few users, items and moments, in any order; the splits are in the order of time or not."""
    draw = np.random.default_rng(seed)
    num_rows = int(draw.integers(1, 25))
    time_R = draw.integers(0, draw.choice([3, 20, 5_000]), num_rows)
    split_R = draw.choice(3, num_rows, p=(0.6, 0.2, 0.2))
    if draw.random() < 0.5:
        split_R = np.sort(split_R)[time_R.argsort().argsort()]
    time_R = np.where(draw.random(num_rows) < 0.1, NO_TIME, time_R)
    users = [None if draw.random() < 0.1 else int(draw.integers(3)) for _ in range(num_rows)]
    prices = [float(draw.choice([1.5, 2.5, np.nan])) for _ in range(num_rows)]
    frame = pl.DataFrame(
        {"user": users, "price": prices, "tab": draw.choice(["a", "b"], num_rows)},
        schema={"user": pl.Int64, "price": pl.Float64, "tab": pl.String},
    )
    others = pl.DataFrame({"user": [7, 8], "price": [9.5, 1.5], "tab": ["c", "c"]})
    frame = pl.concat([frame, others])  # so that no key has one value only
    rows = rows_of(
        frame,
        labels_RT=np.append(_labels(draw, num_rows), np.zeros((2, len(TASKS))), axis=0),
        split_R=np.append(split_R, [TRAIN, TRAIN]),
        scenario_R=np.append(draw.integers(2, size=num_rows), [0, 0]),
        row_R=draw.permutation(num_rows + 2),
    )
    return RandomLog(
        rows,
        Moments(np.append(time_R, [NO_TIME, NO_TIME]), "s"),
        EventsDefinition(
            by=("user", ("user", "price"), ("tab",)),
            labels_after=TimeSpan(int(draw.choice([0, 1, 7, 900])), "s"),
            windows=(TimeSpan(2, "s"), TimeSpan(int(draw.choice([10, 1_000])), "s"), "all"),
            last=int(draw.integers(4)),
            half_life=TimeSpan(int(draw.choice([1, 50])), "s") if draw.random() < 0.5 else None,
            smoothing=float(draw.choice([0.5, 5.0])),
        ),
        SessionDefinition(gap=TimeSpan(int(draw.choice([1, 4, 200])), "s")),
    )


def _labels(draw: np.random.Generator, num_rows: int) -> NDArray[np.float64]:
    labels_RT = (draw.random((num_rows, len(TASKS))) < 0.5).astype(np.float64)
    labels_RT[:, AMOUNT] = draw.random(num_rows).astype(np.float32) * 3
    return labels_RT


def rows_of(frame: pl.DataFrame, labels_RT: Any, split_R: Any, scenario_R: Any, row_R: Any) -> Rows:
    """Rows of two scenarios, the second of which lacks the third task."""
    has_task_MT = np.ones((2, len(TASKS)), dtype=np.bool_)
    has_task_MT[1, PARTIAL] = False
    scenario_R = np.asarray(scenario_R, dtype=np.int16)
    labels_RT = np.where(has_task_MT[scenario_R], labels_RT, 0.0).astype(np.float32)
    return tables.rows_of(
        frame,
        labels_RT,
        split_R,
        row_R=np.asarray(row_R, dtype=np.uint64),
        scenarios=("one", "two"),
        scenario_R=scenario_R,
        has_task_MT=has_task_MT,
        units={AMOUNT: 1.0},
    )


def part(log: RandomLog, row_P: NDArray[np.int64]) -> tuple[Rows, Moments]:
    return tables.some(log.rows, row_P), Moments(log.moments.time_R[row_P], "s")


def in_order(log: RandomLog, order_R: NDArray[np.int64]) -> RandomLog:
    """The log with its rows in another order; each keeps its number in the source."""
    rows, moments = part(log, order_R)
    return replace(log, rows=rows, moments=moments)


@dataclass(frozen=True)
class PlainRow:
    """A row of the reference."""

    number: int
    time: int
    split: int
    scenario: int
    key: tuple[Any, ...] | None
    labels: tuple[int, ...]  # amounts in parts


def plain_rows(log: RandomLog, key: tuple[str, ...]) -> list[PlainRow]:
    """The rows of a log with their value of a key, in the order of the table."""
    rows = log.rows
    return [
        PlainRow(
            number=int(rows.row_R[row]),
            time=int(log.moments.time_R[row]),
            split=int(rows.split_R[row]),
            scenario=int(rows.scenario_R[row]),
            key=_key_of(rows.frame.row(row, named=True), key),
            labels=tuple(
                round(float(label) * PARTS) if task == AMOUNT else int(label)
                for task, label in enumerate(rows.labels_RT[row])
            ),
        )
        for row in range(rows.num_rows)
    ]


def asking(log: RandomLog, plain: list[PlainRow]) -> list[PlainRow]:
    """Every row as it asks: at the moment that its inputs are as of."""
    as_of_R = log.moments.as_of_R
    times = log.moments.time_R if as_of_R is None else as_of_R
    return [replace(row, time=int(time)) for row, time in zip(plain, times, strict=True)]


def _key_of(row: dict[str, Any], key: tuple[str, ...]) -> tuple[Any, ...] | None:
    values = tuple(row[column] for column in key)
    return None if any(value is None or value != value for value in values) else values  # noqa: PLR0124  NaN


def plain_events(log: RandomLog) -> NDArray[np.float32]:
    """Every input of every row, from a loop over all rows."""
    columns = [_events_of_key(log, key) for key in log.events.keys]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _events_of_key(log: RandomLog, key: tuple[str, ...]) -> NDArray[np.float64]:
    plain = plain_rows(log, key)
    return np.array([_events_of_row(log, plain, row) for row in asking(log, plain)])


def seen_by(plain: list[PlainRow], row: PlainRow) -> list[PlainRow]:
    """The rows of the key that a row sees, in order."""
    if row.key is None or row.time == NO_TIME:
        return []
    seen = [
        other
        for other in plain
        if other.key == row.key and NO_TIME < other.time < row.time and other.split <= row.split
    ]
    return sorted(seen, key=lambda other: (other.time, other.number))


def _events_of_row(log: RandomLog, plain: list[PlainRow], row: PlainRow) -> list[float]:
    events, seen = log.events, seen_by(plain, row)
    assert isinstance(events.labels_after, TimeSpan)
    delay = events.labels_after.number
    values = [
        np.log1p(len([other for other in seen if row.time - _length(window) <= other.time]))
        for window in events.windows
    ]
    values.append(1 / (1 + np.log1p(float(row.time - seen[-1].time))) if seen else 0.0)
    known = [other for other in seen if other.time < row.time - delay]
    for task in range(len(TASKS)):
        parts = PARTS if task == AMOUNT else 1
        in_train = [other for other in plain if other.split == TRAIN and _has(other, task)]
        num_train, sum_train = len(in_train), sum(other.labels[task] for other in in_train)
        of_task = [other for other in known if _has(other, task)]
        for window in events.windows:
            within = [
                other for other in of_task if row.time - delay - _length(window) <= other.time
            ]
            num, total = len(within), sum(other.labels[task] for other in within)
            excess = float(total * num_train - num * sum_train)
            rate = excess / (float(parts * num_train) * (num + events.smoothing))
            values.append(rate if num else 0.0)
        if events.half_life is not None:
            left = [0.5 ** ((row.time - other.time) / events.half_life.number) for other in of_task]
            total_left = sum(
                other.labels[task] * each for other, each in zip(of_task, left, strict=True)
            )
            excess = total_left * num_train - sum(left) * sum_train
            values.append(excess / (parts * num_train * (sum(left) + events.smoothing)))
        newest = of_task[::-1]
        for back in range(events.last):
            prior = sum_train / (parts * num_train)
            is_there = back < len(newest)
            values.append(newest[back].labels[task] / parts - prior if is_there else 0.0)
    return values


def _has(row: PlainRow, task: int) -> bool:
    return task != PARTIAL or row.scenario == 0


def _length(window: TimeSpan | str) -> float:
    return window.number if isinstance(window, TimeSpan) else np.inf


def plain_sessions(log: RandomLog) -> NDArray[np.float32]:
    """Position and seconds of every row in its session, going back from the row."""
    plain = plain_rows(log, ("user",))
    values = []
    for row in asking(log, plain):
        position, first = 0, row.time
        for other in reversed(seen_by(plain, row)):
            if first - other.time > log.session.gap.number:
                break
            position, first = position + 1, other.time
        values.append([np.log1p(position), np.log1p(float(row.time - first))])
    return np.array(values, dtype=np.float32)
