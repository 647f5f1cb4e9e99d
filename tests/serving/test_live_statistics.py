"""Live statistics: events roll label statistics to the numbers of one table, whatever happens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hinet_search.serving import state as state_module
from hinet_search.serving.live import live_log, live_state
from hinet_search.serving.live.journal import Journal
from tests.serving.day_shop import (
    DAY,
    KINDS,
    LABELS,
    Served,
    event,
    launched,
    newer,
    numbers_of_one_table,
)
from tests.serving.shop import predicted

Numbers = NDArray[np.float32]
STATISTICS = slice(6)  # of two keys, each its rows and two rates; what the log knows follows


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched(tmp_path_factory.mktemp("shop"), request.param)


@pytest.fixture(scope="module")
def expected(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    return numbers_of_one_table(model, tmp_path_factory.mktemp("one table"))


@pytest.fixture
def served(model: Path, tmp_path: Path) -> Iterator[Served]:
    with closing(Served(model, tmp_path / "state")) as served:
        yield served


def days() -> list[list[int]]:
    """The numbers of the newer rows of each day."""
    day_R = newer()["second"].to_numpy() // DAY
    return [np.flatnonzero(day_R == day).tolist() for day in np.unique(day_R)]


def events_of(day: int, **more: Any) -> list[dict[str, Any]]:
    return [event(number, **more) for number in days()[day]]


def test_rows_that_ask_and_then_come_as_events_have_the_numbers_of_one_table(
    served: Served, expected: Numbers
) -> None:
    draw = np.random.default_rng(0)
    assert len(days()) == 4
    for number in range(len(newer())):
        assert_array_equal(served.number(number), expected[number], err_msg=str(number))
        assert served.add(event(number)).added == 1
        if draw.random() < 0.03:
            served.live.fold()
        if draw.random() < 0.03:
            served.restart()


def test_the_state_has_the_counts_that_predict_rolls(
    served: Served, model: Path, tmp_path: Path
) -> None:
    for day in range(4):
        served.add(*events_of(day))
        served.live.fold()
    predicted(model, newer(), tmp_path, state=tmp_path / "rolled")
    names = [path.name for path in (tmp_path / "rolled" / "generation-1").glob("[ds][at]*.parquet")]
    assert sorted(names) == ["days.parquet", *(f"statistics.{number}.parquet" for number in "012")]
    for name in names:
        rolled = pl.read_parquet(tmp_path / "rolled" / "generation-1" / name)
        by_events = pl.read_parquet(tmp_path / "state" / "generation-4" / name)
        assert by_events.sort(pl.all()).equals(rolled.sort(pl.all())), name


def test_labels_of_a_day_that_goes_on_change_nothing_for_its_own_rows(
    served: Served, expected: Numbers
) -> None:
    rows = newer()[days()[0]].drop(LABELS)
    before = served.numbers(rows)[:, STATISTICS]
    assert_array_equal(before, expected[days()[0]][:, STATISTICS])
    served.add(*events_of(0))
    assert_array_equal(served.numbers(rows)[:, STATISTICS], before)


def test_events_that_come_twice_and_out_of_order_count_once(
    served: Served, expected: Numbers
) -> None:
    draw = np.random.default_rng(1)
    for day in range(3):
        numbers = draw.permutation(days()[day] * 2).tolist()
        for start in range(0, len(numbers), 7):
            events = [event(number) for number in numbers[start : start + 7]]
            taken = served.add(*events, *events)
            assert taken.added + taken.again == 2 * len(events)
        served.live.fold()
        assert served.add(*events_of(day)).again == len(days()[day])
    rows = newer()[days()[3][:5]]
    assert_array_equal(served.numbers(rows)[:, STATISTICS], expected[days()[3][:5]][:, STATISTICS])


def test_labels_that_come_before_their_day_counts_count_as_if_they_had_been_there(
    served: Served, expected: Numbers
) -> None:
    for day in range(3):
        chosen = days()[day]
        assert_array_equal(
            served.numbers(newer()[chosen])[:, STATISTICS], expected[chosen][:, STATISTICS]
        )
        assert served.add(*events_of(day, labels=False)).added == len(chosen)
        served.live.fold()
        labelled = served.add(*events_of(day))
        assert (labelled.added, labelled.labelled) == (0, len(chosen))
    first = days()[3][0]
    assert_array_equal(served.number(first)[STATISTICS], expected[first][STATISTICS])


def test_an_event_is_late_once_its_day_counts_and_an_hour_has_passed(served: Served) -> None:
    for day in range(4):
        served.add(*events_of(day))
        served.live.fold()
    served.restart()
    last = newer()["second"][-1]
    counts = served.live.live().counts
    assert counts is not None
    first = (last // DAY - counts.definition.delay - 1) * DAY
    if served.live.live().log is not None:  # which has moments
        first = last - 25 * 3_600
    assert served.add(event(0, id="late", second=first - 1)).late == 1
    assert served.add(event(0, id="not late", second=first)).added == 1
    served.live.fold()


CUTS = (
    (live_log, "write_state"),
    (live_log, "folded"),
    (live_log, "with_events"),
    (live_state, "later_counts"),
    (state_module, "replacing_folder"),
    (state_module, "file_hash"),
    (state_module, "replacing"),
    (Journal, "forget"),
    (Journal, "take"),
    (Journal, "changes"),
)


def _cut(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("owner", "name"), CUTS, ids=[name for _, name in CUTS])
def test_a_server_that_is_cut_off_loses_no_label_and_counts_none_twice(
    owner: Any, name: str, served: Served, expected: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.add(*events_of(0))
    served.live.fold()
    served.add(*events_of(1, labels=False))
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, _cut)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  one of them
            served.add(*events_of(1))
            served.live.fold()
            served.restart()
    served.restart()
    served.add(*events_of(1))  # those not confirmed
    first = days()[2][0]
    assert_array_equal(served.number(first), expected[first])
    served.live.fold()
    assert_array_equal(served.number(first), expected[first])
    served.restart()
    assert_array_equal(served.number(first), expected[first])


def test_rows_that_ask_while_events_come_and_are_stored_have_the_numbers_of_one_table(
    served: Served, expected: Numbers
) -> None:
    served.add(*events_of(0))
    rows = days()[1]
    wanted = expected[rows][:, STATISTICS]  # which only labels of day 0 change
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(served.add, event(number)) for number in rows]
        folds = [pool.submit(served.live.fold) for _ in range(3)]
        asked = [pool.submit(served.numbers, newer()[rows]) for _ in range(30)]
        for each in asked:
            assert_array_equal(each.result()[:, STATISTICS], wanted)
        for each in (*sent, *folds):
            each.result()
    served.restart()
    first = days()[2][0]
    assert_array_equal(served.number(first)[STATISTICS], expected[first][STATISTICS])
