"""Proposed ranking: which rows `data init` says are ordered together."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hinet_search.data.prepare import prepare
from hinet_search.study.task_definition import RankDefinition
from tests.data.guessing import drafted

USERS, VISITS, SHOWN = 20, 6, 5  # users, visits of each, rows of a visit
MONDAY = datetime(2026, 5, 4, 9, tzinfo=UTC)
VISIT = pl.int_range(USERS * VISITS * SHOWN, eager=True) // SHOWN


def shop(**columns: object) -> pl.DataFrame:
    """Visits of five rows a minute apart, users in turn, a visit every two hours."""
    shown = pl.int_range(len(VISIT), eager=True)
    minutes = (VISIT * 120 + shown % SHOWN).to_list()
    table = {
        "tab": (shown % 2).cast(pl.String),
        "is_click": (shown % 7 == 0).cast(pl.Int8),
        "price": shown / 7,
        "user_id": VISIT % USERS,
        "shown_at": [MONDAY + timedelta(minutes=each) for each in minutes],
        **columns,
    }
    return pl.DataFrame({name: values for name, values in table.items() if values is not None})


def rank_of(**columns: object) -> RankDefinition | None:
    return drafted(shop(**columns))[0].rank


def grouped(column: str) -> RankDefinition:
    return RankDefinition(group=(column,))


VISITS_BY_CLOCK = RankDefinition.model_validate({"visit": "30m"})


def test_a_request_is_proposed_with_its_reason() -> None:
    definition, text = drafted(shop(request_id=VISIT))
    assert definition.rank == grouped("request_id")
    assert (
        "rank: {group: request_id}   # what is ordered together: groups of 5.0 rows; "
        "72 % of the rows are in one whose labels differ\n"
    ) in text


def test_the_shortest_kind_of_group_comes_first_and_texts_are_ids_too() -> None:
    columns = {"session_id": VISIT // 2, "query_id": "q" + VISIT.cast(pl.String)}
    assert rank_of(**columns) == grouped("query_id")


def test_without_users_a_request_is_proposed_and_nothing_else_is() -> None:
    assert rank_of(user_id=None, request_id=VISIT) == grouped("request_id")
    assert rank_of(user_id=None) is None


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pl.int_range(len(VISIT), eager=True), id="of each row its own"),
        pytest.param(VISIT % USERS, id="of weeks"),
        pytest.param(pl.int_range(len(VISIT), eager=True) // 2, id="of rows that hardly differ"),
    ],
)
def test_an_id_that_is_no_moment_of_a_user_gives_way_to_visits(values: pl.Series) -> None:
    clicks = pl.int_range(len(VISIT), eager=True) // 2 % 3 == 0
    rank = rank_of(impression_id=values, is_click=clicks.cast(pl.Int8))
    assert rank == VISITS_BY_CLOCK


def test_whole_numbers_of_a_known_unit_are_a_clock_too() -> None:
    seconds = [int(each.timestamp()) for each in shop()["shown_at"]]
    definition, text = drafted(shop(shown_at=seconds))
    assert (definition.rank, definition.time_unit) == (VISITS_BY_CLOCK, "s")
    assert "visits of 5.0 rows" in text


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime])
def test_days_are_no_clock_so_nothing_is_proposed_and_said(kind: pl.DataType) -> None:
    definition, text = drafted(shop(shown_at=shop()["shown_at"].dt.date().cast(kind)))
    assert definition.rank is None
    assert "\n# rank: no request, session or visits found whose labels differ" in text


def test_visits_of_single_rows_are_no_groups() -> None:
    assert rank_of(user_id=pl.int_range(len(VISIT), eager=True)) is None


def test_what_is_proposed_can_be_encoded_and_its_groups_are_counted(tmp_path: Path) -> None:
    definition, _ = drafted(shop(), folder=tmp_path)
    record = prepare(definition, tmp_path / "studies", tmp_path / "cache", lambda _: None).record
    assert record.ranked[0].differing > 0
