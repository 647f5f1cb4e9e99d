"""Live log: events that come one by one give the inputs of one table, whatever stops the server."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.serving import state as state_module
from hinet_search.serving.live import live_log, live_state, timeline
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import LiveLog, TakenEvents
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.state import read_state
from tests.serving.log_shop import (
    LAST,
    LogShop,
    add,
    inputs_of_the_log,
    log_of,
    newer,
    opened,
    seen,
)
from tests.serving.shop import edited

KEYS = ("user", "item", "minute", "place")
LABELS = ("clicked", "bought")


@pytest.fixture(scope="module")
def folder(events: LogShop) -> Path:
    return events.folder


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The inputs of newer rows as one table with those of the study."""
    return inputs_of_the_log(folder / "shop.yaml", tmp_path_factory.mktemp("one table"))


@pytest.fixture
def live(folder: Path, journal: Journal) -> LiveLog:
    return opened(folder / "all", journal)


def event(number: int, *, labels: bool = True) -> dict[str, Any]:
    """The event of a newer row."""
    row = newer().row(number, named=True)
    columns = (*KEYS, *LABELS) if labels else KEYS
    return {"id": f"row {number}", **{name: row[name] for name in columns}}


def inputs(live: LiveLog, number: int) -> Any:
    """What a newer row sees of the log now."""
    return seen(live, newer()[number : number + 1])[0]


def test_events_one_by_one_give_the_inputs_of_one_table(
    folder: Path, expected: Any, tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    journal = Journal(tmp_path / "state")
    live = opened(folder / "all", journal)
    for number in range(len(newer())):
        assert_array_equal(inputs(live, number), expected[number], err_msg=str(number))
        add(live, event(number))
        if draw.random() < 0.1:
            live.fold()
        if draw.random() < 0.1:  # it is ended, and started again
            journal.close()
            journal = Journal(tmp_path / "state")
            live = opened(folder / "all", journal)
    assert live.last == newer()["minute"].max()
    journal.close()


def test_events_that_come_twice_or_out_of_order_count_once(
    folder: Path, expected: Any, journal: Journal
) -> None:
    draw = np.random.default_rng(1)
    live = opened(folder / "all", journal)
    chosen = np.flatnonzero(newer()["minute"].to_numpy() < LAST + 3_000)  # less than an hour
    last = int(chosen[-1]) + 1
    for number in draw.permutation(np.concatenate([chosen, chosen, chosen])):
        taken = add(live, event(int(number)), event(int(number)))
        assert taken.added + taken.again == 2
        if draw.random() < 0.1:
            live.fold()
    is_new = newer()["minute"][last] > newer()["minute"][last - 1]
    assert is_new
    found, wanted = inputs(live, last), expected[last]
    by_order = [place for place, name in enumerate(log_of(live).state.names) if " last " in name]
    unordered = np.setdiff1d(np.arange(wanted.size), by_order)  # rows of one second have no order
    assert_array_equal(found[unordered], wanted[unordered])


def test_labels_that_come_within_their_delay_count_as_if_they_had_been_there(
    folder: Path, expected: Any, journal: Journal
) -> None:
    live, minutes = opened(folder / "all", journal), newer()["minute"].to_list()
    waiting: list[int] = []
    for number, minute in enumerate(minutes):
        for other in [each for each in waiting if minutes[each] < minute - 500]:
            taken = add(live, event(other))  # labels are known ten minutes after their row
            assert (taken.added, taken.labelled) == (0, 1)
            waiting.remove(other)
        assert_array_equal(inputs(live, number), expected[number], err_msg=str(number))
        assert add(live, event(number, labels=False)).added == 1
        waiting.append(number)
        if number % 37 == 0:
            live.fold()


def test_late_events_are_told_and_do_not_count(live: LiveLog) -> None:
    add(live, *(event(number) for number in range(len(newer()))))
    live.fold()
    late = {**event(0), "id": "late"}
    before = inputs(live, len(newer()) - 1)
    assert add(live, late) == TakenEvents(0, 0, 0, 1, live.last)
    assert_array_equal(inputs(live, len(newer()) - 1), before)


CUTS = (
    (live_log, "write_state"),
    (state_module, "replacing_folder"),
    (state_module, "file_hash"),
    (state_module, "replacing"),
    (live_state, "log_index"),
    (Journal, "forget"),
    (Journal, "take"),
)


def _cut(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("owner", "name"), CUTS, ids=[name for _, name in CUTS])
def test_a_server_that_is_cut_off_loses_nothing_and_counts_nothing_twice(
    owner: Any,
    name: str,
    folder: Path,
    expected: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = len(newer()) // 2
    journal = Journal(tmp_path / "state")
    live = opened(folder / "all", journal)
    add(live, *(event(number) for number in range(half // 2)))
    live.fold()
    add(live, *(event(number) for number in range(half // 2, half - 1)))
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, _cut)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  either of them
            add(live, event(half - 1))
            live.fold()
    journal.close()
    with closing(Journal(tmp_path / "state")) as again:
        live = opened(folder / "all", again)
        add(live, *(event(number) for number in range(half // 2, half)))  # those not confirmed
        assert_array_equal(inputs(live, half), expected[half])
        live.fold()
        assert_array_equal(inputs(live, half), expected[half])


def test_a_commit_that_fails_takes_no_event_of_a_request(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, live: LiveLog
) -> None:
    before = inputs(live, 5)
    known = journal._event

    def fail_at_the_third(event_id: str) -> Any:
        if event_id == "row 2":
            raise OSError(28, "No space left on device")
        return known(event_id)

    with monkeypatch.context() as patched:
        patched.setattr(journal, "_event", fail_at_the_third)
        with pytest.raises(EnvironmentFault, match="events must be written here, but cannot be"):
            add(live, *(event(number) for number in range(5)))
    assert journal.last == 0
    assert_array_equal(inputs(live, 5), before)
    assert add(live, *(event(number) for number in range(5))).added == 5


def test_a_state_that_cannot_be_written_is_tried_again_after_as_many_events(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_log, "FOLD_CHANGES", 10)
    live = opened(folder / "all", journal)

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    add(live, *(event(number) for number in range(12)))
    assert live.needs_fold
    with monkeypatch.context() as patched:
        patched.setattr(state_module, "replacing_folder", full)
        with pytest.raises(EnvironmentFault, match="the state cannot be written"):
            live.fold()
    assert not live.needs_fold
    add(live, *(event(number) for number in range(12, 22)))
    assert live.needs_fold
    live.fold()
    assert live.num_pending == 0
    assert not live.needs_fold


def test_one_process_takes_events(folder: Path, journal: Journal) -> None:
    opened(folder / "all", journal)
    with pytest.raises(EnvironmentFault, match="one process at a time takes events"):
        Journal(journal.path.parent)


def test_predict_does_not_roll_the_state_of_a_server(
    folder: Path, journal: Journal, live: LiveLog
) -> None:
    add(live, event(0))
    path, to = journal.path.parent.parent / "rows.parquet", journal.path.parent.parent / "s.parquet"
    newer().write_parquet(path)
    with pytest.raises(ConfigurationError, match="that of a server that takes events"):
        hs.predict(folder / "all", path, to, state=journal.path.parent)


def test_a_model_that_reads_no_log_takes_no_events(folder: Path, tmp_path: Path) -> None:
    exported = open_folder(folder / "counted", torch.device("cpu"))
    with pytest.raises(
        ConfigurationError, match="must have events, sessions, sequences, or label statistics"
    ):
        read_state(exported, tmp_path / "state")


def test_a_state_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state")) as journal:
        live = opened(folder / "all", journal)
        add(live, event(0))
        live.fold()
        other = tmp_path / "other"
        shutil.copytree(folder / "all", other)
        edited(other, {"gap: 30m": "gap: 40m"})
        exported = open_folder(other, torch.device("cpu"))
        with pytest.raises(DataError, match="must be a state of inputs that are defined as"):
            read_state(exported, tmp_path / "state")


WRONG = {
    "no object": ([], 'a request must be {"events"'),
    "rows": ({"rows": []}, 'a request must be {"events"'),
    "a number": ({"events": [7]}, 'a request must be {"events"'),
    "no id": ({"events": [{"user": 1}]}, "event 0: 'id' must be a text"),
    "an empty id": ({"events": [{"id": ""}]}, "event 0: 'id' must be a text"),
    "a true id": ({"events": [{"id": True}]}, "event 0: 'id' must be a text"),
    "a long id": ({"events": [{"id": "x" * 201}]}, "event 0: 'id' must be a text"),
}


@pytest.mark.parametrize(("document", "told"), WRONG.values(), ids=WRONG)
def test_wrong_requests_are_refused(
    document: object, told: str, folder: Path, journal: Journal
) -> None:
    with pytest.raises(DataError) as caught:
        opened(folder / "all", journal).add(document)
    assert told in str(caught.value)
    assert journal.last == 0


VALUES = {
    "no time": (
        {"minute": None},
        "'minute' must hold the time of every event, got none in 1 row (first in row 1)",
    ),
    "a text": ({"minute": "noon"}, "column 'minute' must hold whole numbers"),
    "another scenario": ({"place": 99}, "column 'place' must hold scenarios of the model"),
    "a label of 2": ({"clicked": 2}, "click"),
    "a label of text": ({"clicked": "yes"}, "clicked"),
    "a label of lists": ({"clicked": [1]}, "clicked"),
}


@pytest.mark.parametrize(("changed", "told"), VALUES.values(), ids=VALUES)
def test_wrong_values_are_refused_with_all_events_of_the_request(
    changed: dict[str, Any], told: str, journal: Journal, live: LiveLog
) -> None:
    with pytest.raises(DataError) as caught:
        add(live, event(0), {**event(1), **changed})
    assert told in str(caught.value)
    assert journal.last == 0


def test_a_column_that_is_missing_is_named(folder: Path, journal: Journal) -> None:
    bare = {name: value for name, value in event(0).items() if name != "item"}
    with pytest.raises(DataError, match=r"column 'item' is not in 1 row \(first in row 0\)"):
        add(opened(folder / "all", journal), bare)


def test_events_of_the_future_are_refused_where_the_clock_is_real(
    monkeypatch: pytest.MonkeyPatch, live: LiveLog
) -> None:
    monkeypatch.setattr(timeline, "REAL_CLOCK", -1)
    with pytest.raises(DataError, match=r"got one more than 10m ahead in 1 row \(first in row 0\)"):
        add(live, {**event(0), "minute": 2**40})
    assert add(live, event(0)).added == 1


def test_unknown_and_missing_users_are_events_too(folder: Path, live: LiveLog) -> None:
    taken = add(live, {**event(0), "user": None}, {**event(1), "user": 10**9, "item": "new"})
    assert taken.added == 2
    live.fold()
    frame = newer()[5:6].with_columns(user=pl.lit(10**9, dtype=pl.Int64), item=pl.lit("new"))
    place = log_of(live).state.names.index("user exposures all")
    assert seen(live, frame)[0, place] == pytest.approx(np.log(2))


def _view(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create view events as select 1 as id")


NO_JOURNALS = {
    "no database": lambda path: path.write_bytes(b"no database" * 100),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a view": _view,
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
}


@pytest.mark.parametrize("make", NO_JOURNALS.values(), ids=NO_JOURNALS)
def test_what_is_no_journal_is_refused(make: Any, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    make(tmp_path / "state" / "events.db")
    with pytest.raises(EnvironmentFault, match="events must be written here, but cannot be"):
        Journal(tmp_path / "state")


WRITTEN = {
    "no JSON": {"row": "{"},
    "no object": {"row": "7"},
    "no columns": {"row": "{}"},
    "no text": {"row": b"\xff"},
    "a number that is none": {"number": "many"},
    "labels that are none": {"labels": "[]"},
    "another scenario": {"row": '{"user":1,"item":"a","minute":1,"place":99}'},
}


@pytest.mark.parametrize("values", WRITTEN.values(), ids=WRITTEN)
def test_a_journal_with_other_content_is_refused(
    values: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    with closing(Journal(tmp_path / "state")) as journal:
        add(opened(folder / "all", journal), event(0))
        for name, value in values.items():
            journal._database.execute(f"update events set {name} = ?", (value,))
        with pytest.raises(DataError, match=r"but is damaged|must hold scenarios"):
            opened(folder / "all", journal)
