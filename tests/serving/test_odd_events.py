"""Odd events: whatever kinds of values and times events have, later events and the state go on."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.serving.live import timeline
from hinet_search.serving.live.events import label_series
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import LiveLog, TakenEvents
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.state import read_state
from hinet_search.study.task_definition import TaskDefinition
from tests.serving.log_shop import LAST, STUDY, add, newer, opened, seen, shop
from tests.serving.shop import launch_shop

TASKS = """\
  tasks:
    click: {column: clicked}
    watch: {column: watched, kind: amount}
    like: {column: liked, equals: 1, scenarios: [Push]}
"""
COLUMNS = ("user", "item", "minute", "place", "clicked", "watched", "liked")
NO_LABELS = COLUMNS[:4]


def table(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the shop, with an amount and a text as labels."""
    return rows.with_columns(
        watched=pl.col("minute") % 7 + 0.5 * pl.col("bought"),
        liked=pl.col("bought").cast(pl.String),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    data, _, arms = STUDY.partition("arms:\n")
    data = data.replace("  tasks: {click: {column: clicked}, buy: {column: bought}}\n", TASKS)
    end = arms[arms.index("trials: 1\n") :]
    earlier = table(shop().filter(pl.col("minute") < LAST))
    done = launch_shop(folder, earlier, f"{data}arms: {{all: {{model: mmoe}}}}\n{end}")
    return done.export("all", folder / "model").folder


@pytest.fixture
def live(model: Path, journal: Journal) -> LiveLog:
    return opened(model, journal)


def event(number: int, columns: tuple[str, ...] = COLUMNS, **changed: Any) -> dict[str, Any]:
    row = table(newer()[number : number + 1]).row(0, named=True)
    return {"id": f"row {number}", **{name: row[name] for name in columns}, **changed}


def inputs(live: LiveLog) -> Any:
    """What the newest rows see of the log."""
    return seen(live, newer()[-20:])


OTHER_KINDS = (
    {"clicked": True, "watched": 3, "liked": 1},
    {"clicked": 1.0, "watched": 3.5, "liked": "1"},
    {"clicked": 0, "watched": True, "liked": 1.0},
    {"clicked": False, "watched": 0.0, "liked": None},
)


def test_labels_of_other_kinds_than_those_of_before_are_part_of_the_state(
    model: Path, tmp_path: Path
) -> None:
    with closing(Journal(tmp_path / "state")) as journal:
        live = opened(model, journal)
        for number, labels in enumerate(OTHER_KINDS * 2):
            assert add(live, event(number, **labels)).added == 1
        before = inputs(live)
    with closing(Journal(tmp_path / "state")) as journal:
        live = opened(model, journal)
        assert_array_equal(inputs(live), before)
        live.fold()
        assert_array_equal(inputs(live), before)


def test_labels_of_several_kinds_in_one_request_are_taken_as_alone(
    model: Path, tmp_path: Path
) -> None:
    events = [event(number, **labels) for number, labels in enumerate(OTHER_KINDS)]
    with closing(Journal(tmp_path / "alone")) as journal:
        live = opened(model, journal)
        for each in events:
            add(live, each)
        alone = inputs(live)
    with closing(Journal(tmp_path / "together")) as journal:
        live = opened(model, journal)
        assert add(live, *events).added == len(events)
        assert_array_equal(inputs(live), alone)


@pytest.mark.parametrize("label", [10**400, -1, float("nan"), "yes", [], [[1]], {}, "\x00"])
def test_a_label_that_is_none_is_refused(label: Any, live: LiveLog) -> None:
    with pytest.raises(DataError, match="watched"):
        add(live, event(0, watched=label))
    assert add(live, event(0)).added == 1


def test_a_request_without_events_adds_none(live: LiveLog) -> None:
    assert add(live) == TakenEvents(0, 0, 0, 0, live.last)


def test_a_label_of_many_nested_lists_is_refused_at_once() -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    for task in (TaskDefinition(column="x"), TaskDefinition(column="x", equals="a")):
        _, problem = label_series("x", {"task": task}, [nested])
        assert problem.startswith("column 'x' must hold")


def test_labels_compared_by_equals_are_read_as_a_column_of_their_kind() -> None:
    tasks = {"task": TaskDefinition(column="x", equals=True)}
    series, problem = label_series("x", tasks, [True, False, 1, 1.0, 0.5, "true", None])
    assert not problem
    assert series.to_list() == ["true", "false", "1", "1", "0.5", "true", None]


def test_labels_that_are_known_in_part_count_once_all_are_there(live: LiveLog) -> None:
    push = next(number for number in range(50) if event(number)["place"] == 2)
    part = (*NO_LABELS, "clicked", "watched")
    assert add(live, event(push, part, watched=None)).added == 1
    assert add(live, event(push, watched=None)).again == 1
    assert add(live, event(push, liked=1)) == TakenEvents(0, 1, 0, 0, live.last)
    assert add(live, event(push, watched=None)).again == 1


def test_labels_of_tasks_that_the_scenario_lacks_are_not_needed_and_not_read(live: LiveLog) -> None:
    home = next(number for number in range(50) if event(number)["place"] == 1)
    assert add(live, event(home, NO_LABELS)).added == 1
    part = (*NO_LABELS, "clicked", "watched")
    assert add(live, event(home, part)).labelled == 1
    assert add(live, event(home, id="other", liked=[1])).added == 1
    live.fold()


def test_labels_of_a_row_that_is_added_up_are_late_whatever_time_they_bring(live: LiveLog) -> None:
    assert add(live, event(0, NO_LABELS)).added == 1
    assert add(live, event(1, minute=event(0)["minute"] + 10_000)).added == 1  # beyond 2 h 10 min
    wrong_time = event(0, minute=event(0)["minute"] + 10_000)
    assert add(live, wrong_time) == TakenEvents(0, 0, 0, 1, live.last)
    live.fold()
    assert add(live, event(2, minute=event(0)["minute"] + 10_000)).added == 1
    live.fold()


def test_events_that_came_while_another_model_was_loaded_keep_their_numbers(
    model: Path, journal: Journal
) -> None:
    live, newest = opened(model, journal), opened(model, journal)
    add(live, event(0))
    newest.catch_up()
    add(newest, event(1))
    numbers = [change.event.number for change in journal.changes(0, journal.last)]
    assert len(set(numbers)) == 2


def test_a_clock_that_is_ahead_makes_no_event_of_now_late(
    model: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, minute = opened(model, journal), event(0)["minute"]
    monkeypatch.setattr(timeline, "REAL_CLOCK", -1)
    monkeypatch.setattr(timeline.time, "time", lambda: float(minute))
    assert add(live, event(0)).added == 1
    with pytest.raises(DataError, match="got one more than 10m ahead in 1 row"):
        add(live, event(1, minute=minute + 601))
    assert add(live, event(1, minute=minute + 600)).added == 1
    live.fold()
    assert add(live, event(2, minute=minute)).added == 1
    seen(live, newer()[:1].with_columns(minute=pl.lit(minute)))


def test_a_first_row_without_a_real_time_leaves_the_clock_real(
    model: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, minute = opened(model, journal), event(0)["minute"]
    monkeypatch.setattr(timeline, "REAL_CLOCK", LAST - 10_000)  # the log begins before
    monkeypatch.setattr(timeline.time, "time", lambda: float(minute))
    with pytest.raises(DataError, match="got one more than 10m ahead in 1 row"):
        add(live, event(1, minute=2**62))


def test_the_first_event_begins_a_state_that_a_newer_model_goes_on_with(live: LiveLog) -> None:
    assert not live.needs_fold
    add(live, event(0))
    assert live.needs_fold
    live.fold()
    add(live, event(1))
    assert not live.needs_fold


@pytest.mark.parametrize("is_replaced", [False, True])
def test_events_are_not_taken_once_the_journal_was_deleted_or_replaced(
    is_replaced: bool, journal: Journal, live: LiveLog
) -> None:
    add(live, event(0))
    before = inputs(live)
    journal.path.unlink()
    if is_replaced:
        with closing(sqlite3.connect(journal.path)):
            journal.path.touch()
    with pytest.raises(EnvironmentFault, match="was deleted, moved or replaced"):
        add(live, event(1))
    assert_array_equal(inputs(live), before)


def test_a_folder_without_events_stays_as_it_was(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state")):
        pass
    assert list((tmp_path / "state").iterdir()) == []


def test_a_state_is_read_by_its_owner_alone(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    with closing(Journal(folder)) as journal:
        live = opened(model, journal)
        add(live, event(0))
        live.fold()
    modes = {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()}
    assert modes["generation-1"] == modes["events.db"] == 0


def test_a_state_of_other_scenarios_is_refused(
    model: Path, journal: Journal, live: LiveLog
) -> None:
    add(live, event(0, NO_LABELS))
    live.fold()
    exported = open_folder(model, torch.device("cpu"))
    inputs = exported.encoder.inputs
    values = {**inputs.scenario.values, "9": "Cart"}
    scenario = inputs.scenario.model_copy(update={"values": values})
    of_three = replace(exported.encoder, inputs=inputs.model_copy(update={"scenario": scenario}))
    with pytest.raises(DataError, match="must be a state of inputs that are defined as"):
        read_state(replace(exported, encoder=of_three), journal.path.parent)
