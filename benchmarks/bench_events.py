"""Events and sessions of ten keys, seven of them of several columns, and three windows.

Working memory is what counting events adds at its highest to a process that has the rows in memory,
beside mapped files.
"""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from hinet_search.data.derived.event_log import Moments
from hinet_search.data.derived.events import event_inputs, session_inputs
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition, SessionDefinition, TimeSpan
from in_processes import FOLDER, MEGABYTE, POLL_SECONDS, anonymous_bytes, run
from layout import aligned
from work import SCHEMA, TEST_FROM, VALID_FROM, draw_rows

DAYS = 28
MILLISECONDS_A_DAY = 86_400_000
ITEM, AUTHOR, TAG = "field_19", "field_16", "field_10"  # of 100,000, 23,357 and 1,274 values
KEYS = (
    "user",
    ITEM,
    AUTHOR,
    ("user", "scenario"),
    ("user", ITEM),
    ("user", AUTHOR),
    ("user", TAG),
    (ITEM, "scenario"),
    (AUTHOR, "scenario"),
    ("user", TAG, "scenario"),
)
WINDOWS = (TimeSpan(1, "h"), TimeSpan(1, "d"), "all")
EVENTS = EventsDefinition(by=KEYS, labels_after=TimeSpan(1, "h"), windows=WINDOWS)
SESSION = SessionDefinition(gap=TimeSpan(30, "m"))


@dataclass(frozen=True)
class EventsFigure:
    """Seconds, medians over rounds; working megabytes, of all rows and of a quarter."""

    num_rows: int
    num_inputs: int
    event_seconds: float
    session_seconds: float
    event_megabytes: float
    quarter_megabytes: float


def bench_events(num_rows: int, *, rounds: int) -> EventsFigure:
    """Time events of rows in memory; users are uniform, other keys follow Zipf's law."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="events-", dir=FOLDER) as folder:
        cache = Path(folder)
        rows = _rows(num_rows, cache)
        num_inputs, event_seconds = 0, []
        for _ in range(rounds):
            began = time.perf_counter()
            num_inputs = _count(rows).width
            event_seconds.append(time.perf_counter() - began)
        session_seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            session_inputs(SESSION, rows, "user", _moments(num_rows))
            session_seconds.append(time.perf_counter() - began)
        del rows
        megabytes, quarter = (
            run((_working_megabytes, number, cache))[1][0] for number in (num_rows, num_rows // 4)
        )
    return EventsFigure(
        num_rows=num_rows,
        num_inputs=num_inputs,
        event_seconds=median(event_seconds),
        session_seconds=median(session_seconds),
        event_megabytes=megabytes,
        quarter_megabytes=quarter,
    )


def _working_megabytes(num_rows: int, cache: Path) -> float:
    rows = _rows(num_rows, cache)
    before = highest = anonymous_bytes(os.getpid())
    with ThreadPoolExecutor(1) as thread:
        counting = thread.submit(_count, rows)
        while not wait([counting], timeout=POLL_SECONDS).done:
            highest = max(highest, anonymous_bytes(os.getpid()))
    counting.result()
    return (highest - before) / MEGABYTE


def _count(rows: Rows) -> pl.DataFrame:
    return event_inputs(EVENTS, rows, SCHEMA.tasks, _moments(len(rows.row_R)))


def _moments(num_rows: int) -> Moments:
    return Moments(np.arange(num_rows) * (DAYS * MILLISECONDS_A_DAY // num_rows), "ms")


def _rows(num_rows: int, cache: Path) -> Rows:
    drawn = draw_rows(num_rows, seed=0)
    place_R = np.arange(num_rows) / num_rows
    columns = {
        name: drawn.ids_RF[:, SCHEMA.categorical.index(name)] for name in (ITEM, AUTHOR, TAG)
    }
    return Rows(
        frame=pl.DataFrame({"user": drawn.user_R, "scenario": drawn.scenario_R, **columns}),
        row_R=np.arange(num_rows, dtype=np.uint64),
        scenarios=SCHEMA.scenarios,
        scenario_R=drawn.scenario_R,
        labels_RT=drawn.labels_RT,
        has_task_MT=SCHEMA.has_task,
        split_R=np.digitize(place_R, (VALID_FROM, TEST_FROM)).astype(np.uint8),
        truth_RT=None,
        notes=(),
        cache=cache,
    )


def table(figure: EventsFigure) -> str:
    """The figure as text, a line each."""
    what = f"{figure.num_rows:,} x {len(KEYS)} keys x {len(WINDOWS)} windows"
    lines = [
        (f"{figure.num_inputs} events {what}, s", f"{figure.event_seconds:.2f}"),
        (f"sessions of {figure.num_rows:,}, s", f"{figure.session_seconds:.2f}"),
        (
            "working memory of events, MB (of a quarter of the rows)",
            f"{figure.event_megabytes:,.0f} ({figure.quarter_megabytes:,.0f})",
        ),
    ]
    return aligned(lines)
