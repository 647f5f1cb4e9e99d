"""Clocks of events: days and hours of every kind of clock, and events that are not of their time."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.serving.live import timeline
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import TakenEvents
from hinet_search.serving.requests.served_model import open_served
from hinet_search.serving.rolling import roll
from tests.serving.day_shop import Served
from tests.serving.requests.exported import SUMMER_ENDS, write_export

NUM_ROWS = 60
KEYS = ["user", ["user", "item"]]
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def _hours(number: int) -> datetime:
    return SUMMER_ENDS + timedelta(hours=3 + number // 5)


@dataclass(frozen=True)
class Clock:
    """Statistics by a clock, and its value in the newer row of a number."""

    statistics: dict[str, Any]
    value: Any

    def rows(self) -> pl.DataFrame:
        """Newer rows of several days, some without an item."""
        draw = np.random.default_rng(0)
        numbers = range(NUM_ROWS)
        name = self.statistics["clock"]
        items = [f"0{number}" if number % 4 else None for number in draw.integers(0, 12, NUM_ROWS)]
        columns = {
            "place": draw.integers(1, 4, NUM_ROWS),
            "user": draw.integers(0, 8, NUM_ROWS),
            "item": items,
            "price": draw.normal(100, 20, NUM_ROWS).round(2),
            "clicked": draw.integers(0, 2, NUM_ROWS),
            "bought": draw.integers(0, 2, NUM_ROWS),
        }
        return pl.DataFrame(columns | {name: [self.value(number) for number in numbers]})


CLOCKS = {
    "numbers": Clock({"clock": "minute", "day_length": 100}, lambda number: 400 + 9 * number),
    "numbers and a delay": Clock(
        {"clock": "minute", "day_length": 100, "labels_after": "1d"},
        lambda number: 400 + 9 * number,
    ),
    "hours of numbers": Clock(
        {"clock": "minute", "day_length": 100, "refresh": "hour"}, lambda number: 404 + number
    ),
    "hours": Clock({"clock": "told", "refresh": "hour"}, _hours),
    "hours and a delay": Clock({"clock": "told", "refresh": "hour", "labels_after": "2h"}, _hours),
    "days of datetimes": Clock(
        {"clock": "told"}, lambda number: SUMMER_ENDS + timedelta(days=1 + number // 9)
    ),
    "dates": Clock(
        {"clock": "born", "labels_after": "2d"},
        lambda number: date(1990, 2, 1) + timedelta(days=number // 7),
    ),
    "days": Clock({"clock": "shelf"}, lambda number: 20260227 + number // 9),
    "parts of days": Clock({"clock": "weight"}, lambda number: 2 + number // 9 / 4),
    "single floats": Clock({"clock": "ratio"}, lambda number: round(0.6 + number // 9 / 10, 1)),
}


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline.time, "time", NOW.timestamp)


def exported(folder: Path, clock: Clock, **more: Any) -> Path:
    statistics = {"by": KEYS, "refresh": "day", **clock.statistics}
    return write_export(
        folder, {"categorical": ["user"], "numeric": ["price"], "statistics": statistics}, **more
    )


def event(rows: pl.DataFrame, number: int, **changed: Any) -> dict[str, Any]:
    row = rows.row(number, named=True)
    told = {
        name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()
    }
    return {"id": number, **told, **changed}


def request(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as a request to score has them."""
    return rows.with_columns(
        pl.col(name).map_elements(lambda value: value.isoformat(), return_dtype=pl.String)
        for name, dtype in rows.schema.items()
        if dtype.is_temporal()
    )


def numbers_of_one_table(served: Served, rows: pl.DataFrame) -> Any:
    """The statistics of rows as `predict --state` has them, where all have labels."""
    encoder = served.model.exported.encoder
    units = encoder.inputs.units
    rows = rows.cast({name: encoder.types[name] for name in encoder.inputs.columns})
    label_RT = (rows.select("clicked", "bought").to_numpy() / units).astype(
        np.float32 if encoder.inputs.amount_units else np.uint8
    )
    is_labelled_R = np.ones(len(rows), dtype=np.bool_)
    made = encoder.rows(rows, label_RT, np.zeros(len(rows), dtype=np.uint8))
    statistics = roll(encoder, made, is_labelled_R).inputs.statistics
    assert statistics is not None
    return statistics.to_numpy()


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
def test_events_by_any_clock_give_the_numbers_of_one_table(clock: Clock, tmp_path: Path) -> None:
    rows = clock.rows()
    units = {"buy": 4.0} if clock is CLOCKS["numbers"] else {}
    model = exported(tmp_path / "model", clock, amount_units=units)
    with closing(Served(model, tmp_path / "state")) as served:
        expected = numbers_of_one_table(served, rows)
        assert len(np.unique(expected, axis=0)) > NUM_ROWS / 2
        for number in range(NUM_ROWS):
            asked = request(rows[number : number + 1])
            assert_array_equal(served.derived(asked)[0], expected[number], err_msg=str(number))
            assert served.add(event(rows, number)).added == 1
            if number % 13 == 0:
                served.live.fold()
            if number % 17 == 0:
                served.restart()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A model whose days are numbers of a clock, with the events of its first newer rows."""
    with closing(Served(exported(tmp_path / "model", CLOCKS["numbers"]), tmp_path / "s")) as served:
        served.add(*(event(ROWS, number) for number in range(NUM_ROWS)))
        yield served


ROWS = CLOCKS["numbers"].rows()  # of days 4 to 9
TOMORROW = ROWS[:20].with_columns(minute=pl.lit(1_000))


@pytest.mark.parametrize("is_stored", [False, True])
def test_labels_of_the_day_before_the_last_count_and_those_of_earlier_ones_are_late(
    is_stored: bool, served: Served
) -> None:
    if is_stored:
        served.live.fold()
        served.restart()
    before = served.derived(TOMORROW)
    late = served.add(event(ROWS, 0, id="late", minute=799))
    assert late == TakenEvents(added=0, labelled=0, again=0, late=1, last=9)
    assert_array_equal(served.derived(TOMORROW), before)
    assert served.add(event(ROWS, 0, id="not late", minute=800)).added == 1
    assert (served.derived(TOMORROW) != before).any()


def test_a_late_label_of_a_known_row_is_late_whatever_day_it_brings(served: Served) -> None:
    bare = event(ROWS, 0, id="bare", minute=900)
    del bare["clicked"]
    assert served.add(bare).added == 1
    served.add(event(ROWS, 1, id="next", minute=1_000), event(ROWS, 2, id="later", minute=1_100))
    before = served.derived(TOMORROW)
    assert served.add(event(ROWS, 0, id="bare", minute=1_100)).late == 1
    assert_array_equal(served.derived(TOMORROW), before)
    served.live.fold()
    assert served.add(event(ROWS, 0, id="bare", minute=900)).late == 1


def test_a_day_that_is_far_ahead_makes_no_label_of_now_late(served: Served) -> None:
    served.add(event(ROWS, 0, id="ahead", minute=10**12))
    assert served.add(event(ROWS, 0, id="now", minute=950)).added == 1
    served.live.fold()
    assert served.add(event(ROWS, 0, id="now too", minute=950)).added == 1


def test_a_row_without_a_value_of_a_key_counts_for_other_keys_alone(served: Served) -> None:
    before = served.derived(TOMORROW)
    without_user = [event(ROWS, 0, id=f"no user {number}", user=None) for number in range(50)]
    served.add(*(each | {"minute": 950} for each in without_user))
    after = served.derived(TOMORROW)
    names = served.model.exported.encoder.inputs.derived
    rows = [place for place, name in enumerate(names) if name.endswith("rows")]
    rates = [place for place, name in enumerate(names) if name.endswith("rate")]
    assert_array_equal(after[:, rows], before[:, rows])
    assert (after[:, rates] != before[:, rates]).any()  # the rate of all rows is another
    served.live.fold()
    assert_array_equal(served.derived(TOMORROW), after)


def test_a_row_counts_once_all_its_labels_are_known(served: Served) -> None:
    before = served.derived(TOMORROW)
    part = event(ROWS, 0, id="part", minute=950)
    del part["bought"]
    assert served.add(part).added == 1
    assert served.add(part | {"bought": None}).again == 1
    assert_array_equal(served.derived(TOMORROW), before)
    assert served.add(part | {"bought": 1}).labelled == 1
    once = served.derived(TOMORROW)
    assert (once != before).any()
    assert served.add(part | {"bought": 1}).again == 1
    served.live.fold()
    assert_array_equal(served.derived(TOMORROW), once)


WRONG = {
    "no time": ({"minute": None}, "'minute' must hold the time of every event, got none in 1 row"),
    "too large": ({"minute": 10**30}, "'minute' must hold the time of every event"),
    "a text": ({"minute": "noon"}, "column 'minute' must hold whole numbers"),
    "a list": ({"minute": [1]}, "column 'minute' must hold whole numbers"),
    "another scenario": ({"place": 99}, "column 'place' must hold scenarios of the model"),
    "a label of 2": ({"clicked": 2}, "click"),
    "a label that is no number": ({"clicked": float("nan")}, "click"),
}


@pytest.mark.parametrize(("changed", "told"), WRONG.values(), ids=WRONG)
def test_wrong_events_are_refused_with_all_of_the_request(
    changed: dict[str, Any], told: str, served: Served
) -> None:
    last = served.journal.last
    with pytest.raises(DataError, match=told):
        served.add(event(ROWS, 0, id="right"), event(ROWS, 1, id="wrong", **changed))
    assert served.journal.last == last


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf"), 10**400])
def test_a_time_that_is_no_number_is_refused(value: Any, tmp_path: Path) -> None:
    clock = CLOCKS["parts of days"]
    with closing(Served(exported(tmp_path / "model", clock), tmp_path / "state")) as served:
        with pytest.raises(DataError, match="'weight' must hold the time of every event"):
            served.add(event(clock.rows(), 0, weight=value))
        assert served.add(event(clock.rows(), 0, weight=-2.5)).late == 1
        assert served.add(event(clock.rows(), 0, weight=1e300)).added == 1
        assert served.live.last == int(1e300)
        served.live.fold()
        assert served.live.last == int(1e300)


FUTURE = {
    "hours": ("2027-01-01T01:00:00Z", "2027-01-01T00:09:00Z", "10m"),
    "days of datetimes": ("2027-01-03T00:00:00Z", "2027-01-02T23:59:00Z", "1d"),
}


@pytest.mark.parametrize("name", FUTURE)
def test_events_of_the_future_are_refused(name: str, tmp_path: Path) -> None:
    future, soon, ahead = FUTURE[name]
    clock = CLOCKS[name]
    with closing(Served(exported(tmp_path / "model", clock), tmp_path / "state")) as served:
        with pytest.raises(DataError, match=f"got one more than {ahead} ahead in 1 row"):
            served.add(event(clock.rows(), 0, told=future))
        with pytest.raises(DataError, match="'told' must hold the time of every event"):
            served.add(event(clock.rows(), 0, told="9999-12-31T00:00:00Z"))  # beyond nanoseconds
        assert served.add(event(clock.rows(), 0, told=soon)).added == 1


@pytest.mark.parametrize("name", ["item", "is_new"])
def test_a_clock_whose_days_have_no_order_takes_no_events(name: str, tmp_path: Path) -> None:
    model = exported(tmp_path / "model", Clock({"clock": name}, None))
    with (
        pytest.raises(ConfigurationError, match="must hold dates, datetimes or numbers, got"),
        closing(Journal(tmp_path / "state")) as journal,
    ):
        open_served(model, journal.path.parent, journal)


def test_statistics_that_never_change_take_no_events(tmp_path: Path) -> None:
    model = exported(tmp_path / "model", Clock({"clock": "minute", "refresh": "never"}, None))
    with pytest.raises(ConfigurationError, match="or label statistics that are counted anew"):
        Served(model, tmp_path / "state")


TOLD = {"numbers": "1000", "hours": "2026-10-25 15:00 UTC", "dates": "1990-02-09"}


@pytest.mark.parametrize("name", TOLD)
def test_a_model_tells_the_end_of_the_last_day_with_a_label(name: str, tmp_path: Path) -> None:
    clock = CLOCKS[name]
    with closing(Served(exported(tmp_path / "model", clock), tmp_path / "state")) as served:
        served.add(*(event(clock.rows(), number) for number in range(NUM_ROWS)))
        assert served.model.counted_to == TOLD[name]
        served.live.fold()
        assert served.model.counted_to == TOLD[name]
