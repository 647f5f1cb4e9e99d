"""Speed of events and sessions: ten keys, seven of them of several columns, and three windows."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from hinet_search.data.derived.events import event_inputs
from hinet_search.data.derived.moments import Moments
from hinet_search.data.derived.sessions import session_inputs
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition, SessionDefinition, TimeSpan
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


@dataclass(frozen=True)
class EventsFigure:
    """Seconds, medians over rounds."""

    num_rows: int
    num_inputs: int
    event_seconds: float
    session_seconds: float


def bench_events(num_rows: int, *, rounds: int) -> EventsFigure:
    """Time events of rows in memory; users are uniform, other keys follow Zipf's law."""
    events = EventsDefinition(by=KEYS, labels_after=TimeSpan(1, "h"), windows=WINDOWS)
    session = SessionDefinition(gap=TimeSpan(30, "m"))
    with tempfile.TemporaryDirectory() as cache:
        rows = _rows(num_rows, Path(cache))
        moment_R = np.arange(num_rows) * (DAYS * MILLISECONDS_A_DAY // num_rows)
        moments = Moments(moment_R, "ms")
        num_inputs, event_seconds = 0, []
        for _ in range(rounds):
            began = time.perf_counter()
            num_inputs = event_inputs(events, rows, SCHEMA.tasks, moments).width
            event_seconds.append(time.perf_counter() - began)
        session_seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            session_inputs(session, rows, "user", moments)
            session_seconds.append(time.perf_counter() - began)
    return EventsFigure(num_rows, num_inputs, median(event_seconds), median(session_seconds))


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
    ]
    return aligned(lines)
