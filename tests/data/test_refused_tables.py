"""A table that a definition cannot use is refused with key, rule, value and remedy."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import LISTS, problems_of, shop, with_lists

DAY = date(2026, 5, 3)
MOMENT = datetime(2026, 5, 1)  # noqa: DTZ001  exports have no zone
SHOWN = pl.lit(MOMENT) + pl.duration(minutes="minute")
ROW = pl.col("minute")
IN_TRAIN = pl.col("part") == "train"
PUSHED = pl.col("place") == "push"
LAST = float(np.finfo(np.float64).max)
IN_ORDER = {"by": "time", "valid_from": 420, "test_from": 510}
DEAR: dict[str, Any] = {
    "tasks": {"dear": {"column": "price", "above": 100}},
    "features": {"numeric": ["age"]},
}
COLUMNS: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
ONE_VALUE = "must hold one value a row, got"
NO_TEXT = "must hold text, but holds bytes that are no UTF-8"
SAY_WHICH = "say with 'equals', 'above' or 'at_least' which values are a 1"
WHERE_PUSH = (
    "it has no value where 'place' is push: if these scenarios do not have the task, name the "
    "others under 'scenarios'"
)
AS_NUMBER = "write nothing where a value is missing, or list it under categorical"
FARTHEST = (
    "data.features.numeric: column 'price' must lie between -3.4e+38 and 3.4e+38, got {:.6g} in 1 "
    "row (first in row {}); write null for what is missing, or give its range, that of the others "
    "is features: {{clip: {{price: [46.901, 153.166]}}}}"
)


def refused(problem: str | tuple[str, ...], changes: dict[str, Any], **columns: Any) -> Any:
    """Changes of the definition and columns of the shop, with what is said of each problem."""
    problems = (problem,) if isinstance(problem, str) else problem
    return pytest.param(problems, changes, columns, id=" ".join(problems)[:80])


def but(column: str, value: Any, *rows: int) -> pl.Expr:
    """The column, with this value in some rows."""
    return pl.when(ROW.is_in(rows)).then(pl.lit(value)).otherwise(column)


def features(**keys: Any) -> dict[str, Any]:
    return {"features": COLUMNS | keys}


def by_time(column: str, valid_from: Any, test_from: Any) -> dict[str, Any]:
    split = {"by": "time", "valid_from": valid_from, "test_from": test_from}
    return {"time": column, "split": split}


def clocked(**keys: Any) -> dict[str, Any]:
    return features(statistics={"by": ["user"], "clock": "minute", **keys})


def logged(**keys: Any) -> dict[str, Any]:
    """A definition with events, and its time in seconds."""
    events = {"by": ["user"], "labels_after": "5s", "windows": ["60s"]}
    return {"time_unit": "s", **features(events=events | keys)}


def seen(**keys: Any) -> dict[str, Any]:
    sequence = {"of": "user", "items": ["item"], "labels": ["click"], "labels_after": "5s"}
    return {"time_unit": "s", **features(sequences={"seen": sequence | keys})}


def genres(**keys: Any) -> dict[str, Any]:
    return features(lists={"genres": {"column": "genres", **keys}})


def amounts(**keys: Any) -> dict[str, Any]:
    return {"tasks": {"watch": {"column": "seconds", "kind": "amount", **keys}}}


SECONDS = pl.col("click") * (ROW % 40 + 0.5)
SPLITS = [
    refused(
        "split: valid must have rows, got none; column 'part' holds test, train, val",
        {},
        part=pl.col("part").str.replace("valid", "val"),
    ),
    refused(
        ("split: train must have", "split: valid must have", "column 'part' holds no value"),
        {},
        part=pl.lit(None, dtype=pl.String),
    ),
    refused(
        "split: test must have rows, got none; column 'minute' runs from 0 to 599",
        by_time("minute", 500, 600),
    ),
    refused(
        "split: test must have rows, got none; column 'shown' runs from 2026-05-01 00:00:00 to "
        "2026-05-01 09:59:00",
        by_time("shown", "2026-05-01T09:00", "2026-05-03"),
        shown=SHOWN,
    ),
    refused("split: valid must have rows, got none", {"split": {"by": "random", "valid": 1e-9}}),
    refused(
        "split: column 'minute' must have a value in every row, got 2 without",
        {"split": IN_ORDER},
        minute=but("minute", None, 5, 6),
    ),
    refused(
        "data.split.valid_from: must be a number as column 'minute' is, got 2022-05-03",
        by_time("minute", "2022-05-03", "2023-05-03"),
    ),
    refused(
        "data.time: column 'item' must hold numbers, dates or datetimes, got String; cast it to a "
        "date, or write it as numbers",
        by_time("item", 5, 6),
    ),
    refused(
        "data.split.valid_from: must be a date as column 'shown' is, got 5",
        by_time("shown", 5, 6),
        shown=SHOWN,
    ),
    refused(
        "data.split: column 'shown' has no time zone, so the cut points must have no offset",
        by_time("shown", "2022-05-03T00:00+00:00", "2023-05-03T00:00+00:00"),
        shown=SHOWN,
    ),
    *(
        refused(
            f"data.split: {cut} must be one moment in the time zone of column 'minute'",
            by_time("minute", cut, "2026-10-28"),
            minute=pl.datetime(2026, 1, 1, time_zone="Europe/Berlin") + pl.duration(hours=ROW * 12),
        )
        for cut in ("2026-03-29T02:30:00", "2026-10-25T02:30:00")  # left out, twice
    ),
]
SCENARIOS = [
    refused(
        "scenario.values: 'pusch' occurs in no row of column 'place', which holds home, push; did "
        "you mean 'push'?",
        {"scenario": {"column": "place", "values": {"home": "Home", "pusch": "Push"}}},
    ),
    refused(
        "scenario.values: 'zz' occurs in no row of column 'page', which holds "
        "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more",
        {"scenario": {"column": "page", "values": {"zz": "Z", 1: "One"}}},
        page=ROW % 11,
    ),
    refused(
        "scenario.values: none occurs in column 'place', which holds home, push",
        {"scenario": {"column": "place", "values": {1: "Home"}}},
    ),
    refused(
        "split: task click must have both classes in valid, got 1 in all 90 rows",
        {},
        click=but("click", 1, *range(420, 510)),
    ),
    refused(
        "cell push/buy: train must have both classes for an AUC, got 0 in all",
        {},
        buy=pl.when(PUSHED & IN_TRAIN).then(0).otherwise("buy"),
    ),
    refused(
        "cell push/click: train must have both classes for an AUC, got no row",
        {"tasks": {"click": {"column": "click"}}},
        place=pl.when(IN_TRAIN).then(pl.lit("home")).otherwise("place"),
    ),
]
NUMBERS = [
    refused(
        "data.features.numeric: column 'price' must be finite, got NaN or infinity in 4 rows (first "
        "in row 3, 7, 9, 450); set not_finite: impute or drop",
        {},
        price=pl.when(ROW == 9).then(float("nan")).otherwise(but("price", float("inf"), 3, 7, 450)),
    ),
    refused(
        "features.numeric: column 'day' must hold numbers, got Date; list it under categorical",
        features(numeric=["day"]),
        day=pl.lit(DAY),
    ),
    *(
        refused(FARTHEST.format(value, row), {}, price=but("price", value, row))
        for value, row in ((1e39, 5), (1e160, 450), (LAST, 599), (-LAST, 599))
    ),
    refused(
        ("got 1e+160 in 2 rows", "age' must be finite"),
        {},
        price=but("price", 1e160, 3, 4),
        age=but("age", float("inf"), 7),
    ),
    refused(
        "'price' must lie between -2e+19 and 2e+19, got 1e+30 in 1 row (first in row 450)",
        {},
        price=but("price", 1e30, 450),
    ),
    refused(
        "'price' must lie between",
        features(transforms={"price": "log"}),
        price=but("price", 1e39, 450),
    ),
    refused(
        "column 'price' must be finite",
        features(clip={"price": [0, 200]}),
        price=but("price", float("inf"), 5),
    ),
    refused(
        (
            f"column 'price' must hold numbers, got '3,5' in 1 row (first in row 599); {AS_NUMBER}",
            f"column 'age' must hold numbers, got 'old' in 2 rows (first in row 7); {AS_NUMBER}",
        ),
        {},
        price=pl.when(ROW == 599).then(pl.lit("3,5")).otherwise(pl.col("price").cast(pl.String)),
        age=pl.when(ROW.is_in([7, 450])).then(pl.lit("old")).otherwise(pl.lit("4")),
    ),
    refused(
        "data.features.numeric: column 'user' is text, and must then have no other use, got "
        "data.user too; list it under categorical, or write it as numbers in the table",
        {"features": {"numeric": ["user"]}},
        user=pl.col("user").cast(pl.String),
    ),
]
LABELS = [
    refused(
        "tasks.click: column 'place' must hold numbers, got String; say with 'equals' which value "
        "is a 1",
        {"tasks": {"click": {"column": "place"}}},
    ),
    refused(
        "tasks.dear: column 'price' must have a finite value in every row, got 2 without; "
        "'data.unlabelled: drop' leaves them out",
        DEAR,
        price=but("price", None, 1, 2),
    ),
    refused(
        "tasks.dear: column 'price' must have a finite value in every row, got 2 without",
        DEAR,
        price=but("price", float("nan"), 1, 2),
    ),
    refused(
        (
            f"'click' must hold 0 and 1 only, got 2 (3 rows); {SAY_WHICH}, or write 'kind: amount'",
            f"data.tasks.buy: column 'buy' must hold 0 and 1 only, got null (1 row); {SAY_WHICH}",
        ),
        {},
        click=but("click", 2, 1, 2, 3),
        buy=but("buy", None, 9),
    ),
    *(
        refused(
            f"must hold amounts of 0 to 1e+15, got {got} (2 rows); write such",
            amounts(),
            seconds=but("price", value, 0, 1),
        )
        for value, got in (
            (-2.5, "-2.5"),
            (float("nan"), "nan"),
            (float("inf"), "inf"),
            (2e15, "2000000000000000.0"),
            (None, "null"),
        )
    ),
    refused("got String; write amounts as numbers", amounts(), seconds=pl.lit("1")),
    refused(
        "must have an amount above 0 in a training row, got 0 in",
        amounts(),
        seconds=pl.when(~IN_TRAIN).then(SECONDS).otherwise(0.0),
    ),
    refused(
        "cell push/watch: train must have an amount above 0 for",
        amounts(),
        seconds=pl.when(~(IN_TRAIN & PUSHED)).then(SECONDS).otherwise(0.0),
    ),
    refused(
        "at most 1,000,000,000 times the mean of training rows",
        amounts(),
        seconds=pl.when(ROW == 420).then(1e12).otherwise(SECONDS),
    ),
    refused(
        f"data.tasks.buy: column 'buy' must hold 0 and 1 only, got null (186 rows); {SAY_WHICH}; {WHERE_PUSH}",
        {},
        buy=pl.when(~PUSHED).then("buy"),
    ),
    refused(
        WHERE_PUSH,
        {"tasks": {"click": {"column": "click"}, "buy": {"column": "buy", "above": 0.5}}},
        buy=pl.when(~PUSHED).then("buy"),
    ),
    refused(
        (
            "data.tasks.buy.scenarios: must name scenarios, got 'hone'",
            "data.tasks: every scenario must have a task, got none for 'push'",
        ),
        {"tasks": {"buy": {"column": "buy", "scenarios": ["home", "hone"]}}},
    ),
]
WEIGHTS = [
    *(
        refused(f"data.weight: column 'worth' {problem}", {"weight": "worth"}, worth=values)
        for problem, values in (
            (
                "must hold weights of 0 to 1e+15, got null (1 row); write 0",
                pl.when(ROW != 7).then(1.0),
            ),
            ("must hold weights of 0 to 1e+15, got -0.5 (600 rows); write 0", pl.lit(-0.5)),
            ("must hold weights of 0 to 1e+15, got 1e+16 (600 rows); write 0", pl.lit(1e16)),
            ("must hold weights, got String; write them as numbers", pl.lit("1")),
        )
    ),
    refused("data.weight: column 'worth' is not in the table", {"weight": "worth"}),
    refused(
        "cell push/buy: train must have both classes among its rows with a 'worth' above 0, got 0 ",
        {"weight": "worth"},
        worth=pl.when(IN_TRAIN & PUSHED & (pl.col("buy") == 1)).then(0).otherwise(1),
    ),
    refused(
        (
            "cell push/click: train must have both classes among its rows with a 'worth' above 0, got no row",
            "cell push/buy: train",
        ),
        {"weight": "worth"},
        worth=pl.when(PUSHED).then(0).otherwise(1),
    ),
]
TYPES = [
    *(
        refused(
            f"data.{key}: column '{column}' {ONE_VALUE} List(",
            changes,
            **{column: pl.concat_list(column)},
        )
        for key, column, changes in (
            ("scenario.column", "place", {}),
            ("time", "minute", {}),
            ("split.column", "part", {}),
            ("tasks.click.column", "click", {"tasks": {"click": {"column": "click"}}}),
            ("tasks.click.column", "click", {"tasks": {"click": {"column": "click", "equals": 1}}}),
        )
    ),
    refused(f"data.user: column 'watched' {ONE_VALUE} List(String)", {"user": "watched"}),
    refused(
        f"data.features.categorical: column 'watched' {ONE_VALUE} List(String)",
        features(categorical=["watched"]),
    ),
    refused(
        f"data.features.statistics.by: column 'watched' {ONE_VALUE} List(String)",
        features(statistics={"by": ["watched"]}),
    ),
    refused(
        f"data.features.statistics.clock: column 'watched' {ONE_VALUE} List(String)",
        clocked(clock="watched"),
    ),
    refused(
        f"data.features.matches.by: column 'watched' {ONE_VALUE} List(String)",
        features(lists=LISTS, matches={"lists": ["watched"], "by": ["watched"]}),
    ),
    *(
        refused(
            f"column '{column}' {NO_TEXT}",
            changes,
            **{column: pl.when(ROW % 2 == 0).then(pl.lit(b"home")).otherwise(pl.lit(b"push\xff"))},
        )
        for column, changes in (
            ("place", {}),
            ("user", {"split": {"by": "user"}}),
            ("part", {}),
            ("click", {"tasks": {"click": {"column": "click", "equals": "home"}}}),
        )
    ),
]
DERIVED = [
    refused(
        (
            "data.features.statistics.by: column 'userr' is not in the table; did you mean 'user'?",
            "data.features.statistics.by: column 'spot' is not in the table",
            "data.features.statistics.clock: column 'minutes' is not in the table; did you mean 'minute'?",
            "data.features.lists.watched.column: column 'watch' is not in the table; did you mean",
            "data.features.matches.by: column 'brand' is not in the table",
        ),
        features(
            statistics={"by": ["userr", ["item", "spot"]], "clock": "minutes"},
            lists={"watched": {"column": "watch", "item": "item"}},
            matches={"lists": ["watched"], "by": ["brand"]},
        ),
    ),
    *(
        refused(
            f"statistics.day_length: the clock 'minute' must hold numbers, got {got}; remove day_length",
            clocked(day_length=1440),
            minute=pl.lit(clock),
        )
        for clock, got in (
            (DAY, "Date: its day is its date"),
            (MOMENT, "Datetime(time_unit='us', time_zone=None): its day is its date"),
            ("Monday", "String: each of its values is a day"),
            (True, "Boolean: each of its values is a day"),
        )
    ),
    *(
        refused(says, clocked(**keys), minute=clock)
        for clock, keys, says in (
            (pl.lit(DAY), {"refresh": "hour"}, "take a column of datetimes, or write refresh: day"),
            (ROW, {"refresh": "hour"}, "give the length of a day as day_length, or write"),
            (
                pl.lit("Monday"),
                {"refresh": "day", "labels_after": "2d"},
                "labels_after: the clock 'minute' must hold dates or moments, so that days can be counted back from them, got String: take a column of datetimes",
            ),
            (
                ROW,
                {"refresh": "day", "labels_after": "2d"},
                "give the length of a day as day_length",
            ),
        )
    ),
    refused(
        "every derived input needs its own name, but these are taken: watched length",
        features(
            numeric=["watched length"], lists=LISTS, matches={"lists": ["watched"], "by": ["item"]}
        ),
        **{"watched length": ROW},
    ),
    refused(
        "every derived input needs its own name, but these are taken: ",
        features(
            lists={"a same b": LISTS["watched"], "a": LISTS["watched"]},
            matches={"lists": ["a same b", "a"], "by": ["c", "b same c"]},
        ),
        **{"c": ROW, "b same c": ROW, "b c": ROW},
    ),
    refused(
        "lists.genres: column 'genres' must hold texts, as it has a separator, got Float64; leave out 'separator'",
        genres(separator="|"),
        genres=pl.col("price"),
    ),
    refused(
        "lists.genres: column 'genres' must hold lists of whole numbers or texts, got String; write "
        "the table as Parquet with a column of lists, or say with 'separator' what is between two entries",
        genres(),
        genres=pl.lit("a"),
    ),
    refused(
        "lists.genres: column 'genres' must hold lists of whole numbers or texts, got List(Float64); write",
        genres(),
        genres=pl.concat_list("price"),
    ),
    refused(
        "lists.genres: column 'genres' must hold values of 'item', which is String, got List(Int64); cast one as the other",
        genres(item="item"),
        genres=pl.concat_list("age", "user"),
    ),
    refused(
        "lists.genres: column 'genres' must hold values of 'price', which must be whole numbers or texts, got Float64",
        {
            "features": {
                "categorical": ["price"],
                "lists": {"genres": {"column": "genres", "separator": "|", "item": "price"}},
            }
        },
        genres=pl.lit("a|b"),
    ),
    refused(
        f"data.features.categorical: column 'genres' {ONE_VALUE} a column of features.lists",
        features(
            categorical=["item", "genres"], lists={"kinds": {"column": "genres", "separator": "|"}}
        ),
        genres=pl.lit("a|b"),
    ),
]
SECOND = timedelta(seconds=1)
EVENTS = [
    *(
        refused(problem, logged() | ({} if unit else {"time_unit": None}), minute=pl.Series(values))
        for values, unit, problem in (
            (range(600), "", "time_unit: must say for features.events what the numbers of column"),
            (
                [MOMENT + row * SECOND for row in range(600)],
                "s",
                "time_unit: is of times that are numbers, but column 'minute' is Datetime(",
            ),
            (
                [DAY + row // 20 * timedelta(1) for row in range(600)],
                "",
                "for features.events, got whole days; count earlier days by features.stat",
            ),
            (
                [5 + 86_400 * (row // 20) for row in range(600)],
                "s",
                "got whole days; count earlier",
            ),
            (
                [str(row) for row in range(600)],
                "s",
                "as datetimes or whole numbers, got String; cast",
            ),
            (
                [row + 0.5 for row in range(600)],
                "s",
                "must hold whole numbers of 64 bits for features",
            ),
            ([float("inf"), *map(float, range(599))], "s", "events, got 1 others; multiply it"),
            (
                [7] * 600,
                "s",
                "must hold times that differ for features.events, got the same time in",
            ),
            (
                [None] * 599 + [7],
                "s",
                "must hold times that differ for features.events, got the same",
            ),
            (
                [-(2**62), *range(599)],
                "s",
                "must hold times within 4,611,686,018,427,387,904 s for",
            ),
        )
    ),
    refused("got no time in any row; leave features.ev", logged(), minute=pl.lit(None, pl.Int64)),
    refused(
        "data.features.events.windows: must be a whole number of s, in which column 'minute' counts, got 500ms",
        logged(windows=["500ms", "60s"]),
    ),
    refused(
        "data.features.session.gap: must be a whole number of s",
        {"time_unit": "s", **features(session={"gap": "1500ms"})},
    ),
    *(
        refused(
            "data.features.events.labels_after: must be shorter than the time from the first row to "
            f"the last, 599 s in column 'minute', got {delay}: no label would be known; write never "
            "to use no labels, or check data.time_unit",
            logged(labels_after=delay),
        )
        for delay in ("599s", "1h")
    ),
    refused(
        "data.features.events.by: a key must have at least two values, got one or none in shop, shop x empty",
        logged(by=["user", "shop", ["shop", "empty"], ["user", "shop"]]),
        shop=pl.lit("x"),
        empty=pl.lit(None, dtype=pl.Int64),
    ),
    refused(
        "data.features.events.by: column 'itm' is not in the table", logged(by=["user", "itm"])
    ),
    refused(
        "data.features.sequences.seen.of: column 'plaice' is not in", seen(of=["user", "plaice"])
    ),
    refused(
        "data.features.sequences.seen.of: a key must have at least two values, got one or none in shop",
        seen(of="shop"),
        shop=pl.lit("x"),
    ),
    refused(
        "data.features.sequences.seen.labels_after: must be shorter than the time from the first row "
        "to the last, 599 s in column 'minute', got 1h: no label would be known; remove it with "
        "'labels' to use none, or check data.time_unit",
        seen(labels_after="1h"),
    ),
    refused(
        "data.features.sequences.seen.labels_after: must be a whole number of s",
        seen(labels_after="1500ms"),
    ),
]
REFUSED = [
    *SPLITS,
    *SCENARIOS,
    *NUMBERS,
    *LABELS,
    *WEIGHTS,
    *TYPES,
    *DERIVED,
    *EVENTS,
]


@pytest.mark.parametrize(("expected", "changes", "columns"), REFUSED)
def test_a_wrong_table_is_refused_with_place_and_rule(
    expected: tuple[str, ...], changes: dict[str, Any], columns: dict[str, Any], tmp_path: Path
) -> None:
    problems = problems_of(with_lists(shop()).with_columns(**columns), tmp_path, **changes)
    assert len(problems) == len(expected), problems
    for problem, text in zip(problems, expected, strict=True):
        assert text in problem
    assert not list((tmp_path / "cache").glob("[0-9a-f]*"))


def test_very_many_scenarios_are_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(shop(num_rows=2000), tmp_path, scenario={"column": "minute"})
    assert problem == (
        "data.scenario: must have at most 1,000 scenarios, got 2,000; list those that count under "
        "'values'"
    )
