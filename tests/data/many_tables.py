"""Odd tables as exports produce them, each with its outcome: a study that runs, or a refusal."""

from datetime import date, datetime, time, timedelta
from itertools import combinations

import polars as pl

from tests.data.table_makers import (
    ROWS,
    OddTable,
    csv,
    cycle,
    header,
    line_by_line,
    mixed,
    ordinary,
    parquet,
    renamed,
    table,
    wide,
)

DAYS = [date(1990, 1, 1) + timedelta(days=97 * value) for value in range(50)]
SPLIT = ["train"] * 14 + ["valid"] * 3 + ["test"] * 3
CLICK = pl.col("is_click")
WORDS = ("Action", "Comedy", "Drama", "War")
GENRES = [words for count in (1, 2, 3) for words in combinations(WORDS, count)]

TABLES: dict[str, OddTable] = {
    "dates": parquet(
        ["#   birthday: a date: as a number", "#   registered_at: a date", "time: shown_at"],
        birthday=[*DAYS, None],
        registered_at=[datetime(2020, 1, day, 12) for day in range(1, 29)],  # noqa: DTZ001
    ),
    "dates in a CSV": OddTable(
        "rows.csv",
        lambda path: ordinary().with_columns(birthday=pl.Series(cycle(DAYS))).write_csv(path),
        ("#   birthday: a date", "split: {by: time"),
    ),
    "dates as text": parquet("#   day: dates as text", day=[value.isoformat() for value in DAYS]),
    "only a birthday": table(
        lambda: ordinary().drop("shown_at").with_columns(birthday=pl.Series(cycle(DAYS))),
        ["#   birthday: a date", "split: {by: random}"],
    ),
    "zones": parquet(
        ["split: {by: time", "    clock: shown_at   # ", "#   seen_utc: a date"],
        shown_at=pl.col("shown_at").dt.replace_time_zone("Europe/Berlin"),
        seen_utc=pl.col("shown_at").dt.replace_time_zone("UTC"),
    ),
    "a time with gaps": parquet(
        ["#   shown_at: a date", "split: {by: random}"],
        shown_at=pl.when(pl.col("item_id") > 3).then(pl.col("shown_at")),
    ),
    "dates beyond the year 9999": parquet(
        "#   valid_until: a date",
        valid_until=pl.Series(cycle([2**61, 0, 2**60])).cast(pl.Datetime("ms")),
    ),
    "durations and times of day": parquet(
        ["#   waited: a duration", "#   opened: a time of day"],
        waited=[timedelta(seconds=value) for value in range(90)],
        opened=[time(hour) for hour in range(24)],
    ),
    "decimals": parquet(
        ["- price", "click: {column: is_click}"],
        price=pl.col("price").cast(pl.Decimal(10, 2)),
        is_click=CLICK.cast(pl.Decimal(4, 2)),
    ),
    "booleans with nulls": parquet(
        ["click: {column: is_click, equals: true}", "- is_new"],
        is_click=pl.when(pl.col("item_id") > 3).then(CLICK == 1),
        is_new=[True, False, None],
    ),
    "a label with nulls": parquet(
        "click: {column: is_click, equals: 1}", is_click=pl.when(pl.col("item_id") > 3).then(CLICK)
    ),
    "nested lists": parquet("#   seen: lists of lists or objects", seen=[[[1], [2, 3]], [[4]]]),
    "lists of ids": parquet("#   viewed: lists; to use them", viewed=[[1, 2], [3], []]),
    "lists of tags": parquet(
        "#   tags: lists; to use them",
        tags=[["new", "red"], ["red"], [], None, ["big", "new"]],
    ),
    "texts with separators": parquet(
        ["    - genres   # 16 values, 6.0 % missing", "    - before   # "],
        genres=[None, "", "|", *map("|".join, GENRES)],
        before=[f"{n % 39},{7 * n % 37}{',5' * (n % 3)}" for n in range(200)],
    ),
    "embeddings": parquet(
        ["#   vector: lists of numbers", "#   array: lists of numbers"],
        vector=[[0.5, 1.5]],
        array=pl.Series([[0.5, 1.5]] * ROWS, dtype=pl.Array(pl.Float32, 2)),
    ),
    "structs and bytes": parquet(
        ['- "device.ram"', "#   raw: values of type Binary"],
        device=[{"os": "a", "ram": 4}, {"os": "b", "ram": 8}],
        raw=[b"\x00\xff", b"b"],
    ),
    "constants": parquet(
        [
            "#   version: the same value in every row",
            "#   flag: the same value wherever it has one",
        ],
        version=["v1"],
        flag=[True, None],
    ),
    "columns of nothing": parquet(
        ["#   nothing: no value in any row", "#   nan: no finite number in any row"],
        nothing=pl.Series([None] * ROWS, dtype=pl.Null),
        text=pl.Series([None] * ROWS, dtype=pl.String),
        nan=[float("nan"), float("inf")],
    ),
    "no rows": table(
        lambda: ordinary().head(0),
        "must have at least 60 rows, 30 of both classes of a label, got 0",
        "init",
    ),
    "no columns": table(pl.DataFrame, "must have columns, got none", "init"),
    "one row": table(lambda: ordinary().head(1), "must have at least 60 rows", "init"),
    "two rows": table(
        lambda: pl.DataFrame({"channel": ["a", "b"], "is_click": [0, 1], "user_id": [1, 2]}),
        "must have at least 60 rows",
        "init",
    ),
    "500 columns": table(wide, "- x493"),
    "categories": parquet(
        ["column: channel", "user: user_id", "- city"],
        channel=pl.col("channel").cast(pl.Categorical),
        user_id=pl.col("user_id").cast(pl.String).cast(pl.Categorical),
        city=pl.Series(cycle(["a", "b", "c"]), dtype=pl.Enum(["c", "b", "a"])),
    ),
    "ids above 2^63": parquet("user: user_id", user_id=pl.col("user_id").cast(pl.UInt64) + 2**63),
    "negative ids": parquet("user: user_id", user_id=-pl.col("user_id") - 1),
    "ids as floats": parquet(
        ["user: user_id", "item: item_id"],
        user_id=pl.when(pl.col("item_id") > 3).then(pl.col("user_id").cast(pl.Float64)),
        item_id=pl.col("item_id").cast(pl.Float64),
    ),
    "names of many scripts": table(
        renamed(
            {
                "channel": "频道",
                "is_click": "点击",
                "user_id": "用户 id",
                "price": "Цена",
                "city": "🏙️ शहर",
            }
        ),
        ['column: "频道"', 'user: "用户 id"', '"点击": {column: "点击"}'],
    ),
    "names with signs": table(
        renamed(
            {
                "channel": 'the "channel": #1',
                "price": "a.b, {c}\n[d]",
                "city": "\x1b[31m\u2028 - x",
                "item_id": "y",
            }
        ),
        [r"\u001b[31m\u2028 - x", r"a.b, {c}\n[d]", '- "y"'],
    ),
    "names that Polars reads as patterns": table(
        renamed({"price": "*", "city": "^.*$", "item_id": "^item id"}),
        ['#   "*": a name that Polars', '#   "^.*$": a name that Polars', 'item: "^item id"'],
    ),
    "names of YAML": table(
        renamed(
            {"channel": "Null", "is_click": "true", "price": "<<", "city": "~", "item_id": "1e3"}
        )
    ),
    "columns called the same": csv(
        header("channel,price,price,price,shown_at,is_click"), "- price_duplicated_0"
    ),
    "a CSV with a byte order mark": OddTable(
        "rows.csv",
        lambda path: path.write_text("\ufeff" + ordinary().write_csv(), encoding="utf-8"),
        ("column: channel",),
    ),
    "an index without a name": csv(
        lambda text: "\n".join(
            [
                f",{text.splitlines()[0]}",
                *(f"{row},{line}" for row, line in enumerate(text.splitlines()[1:])),
                "",
            ]
        ),
        '#   "": a column without a name',
    ),
    "semicolons": csv(
        lambda text: text.replace(",", ";"),
        "    - price",
    ),
    "semicolons and decimal commas": csv(
        lambda text: text.replace(",", ";").replace(".", ","),
        "    - price",
    ),
    "decimal commas": OddTable(
        "rows.csv",
        lambda path: (
            ordinary()
            .with_columns(price=pl.col("price").cast(pl.String).str.replace(".", ",", literal=True))
            .write_csv(path)
        ),
        ("#   price: numbers as text, with a decimal comma",),
    ),
    "numbers as text": parquet(
        ["- age   # 18 to 97, as text", "- rank   # 7 values", "- price"],
        age=[str(18 + value) for value in range(80)],
        rank=[str(value) for value in range(7)],
        price=pl.when(pl.col("item_id") > 3).then(pl.col("price").cast(pl.String)).fill_null(""),
    ),
    "a far tail without some values": parquet(
        ["- income", "not_finite: impute"],
        income=[float("nan"), None, *(1.02**value for value in range(470)), 1e7, float("inf")],
    ),
    "mixed types": csv(line_by_line(mixed), "- mixed"),
    "no label": table(
        lambda: ordinary().drop("is_click"), "a column of 0 and 1 (a label) is needed", "init"
    ),
    "a label of zeros": parquet(
        "'is_click' is no label: the same value in every row", "init", is_click=[0]
    ),
    "a rare label": parquet(
        ["never_features:\n  - is_order   # a label with fewer than 30"], is_order=[1] + [0] * 59
    ),
    "labels that are rare": parquet(
        "must have 30 rows of both classes of 'is_click'", "init", is_click=[1] + [0] * 59
    ),
    "one scenario": parquet("a study of a single scenario", channel=["home"]),
    "no scenario": table(
        lambda: ordinary().drop("channel").with_columns(pl.col("user_id", "item_id") * 1.5),
        ["scenario: {every_row: All}"],
    ),
    "ids alone": table(
        lambda: ordinary().drop("price", "shown_at"),
        [
            "split: {by: random}",
            "      - [user_id, channel]   # ",
            "    # no clock, as there is no",
        ],
    ),
    "no ids": table(
        lambda: (
            ordinary()
            .drop("user_id", "item_id")
            .with_columns(city=pl.Series(cycle(["a", "b", "c"])))
        ),
        ["    by:\n      - [city, channel]", "    clock: shown_at   # "],
    ),
    "a column named like user and item": table(
        lambda: ordinary().rename({"user_id": "user_item_id"}),
        ["user: user_item_id", "item: item_id"],
    ),
    "a split in the order of time": table(
        lambda: ordinary().with_columns(
            split=pl.Series(["train"] * 336 + ["valid"] * 72 + ["test"] * 72)
        ),
        ["split: {by: column, column: split}", "    clock: shown_at   # "],
    ),
    "nothing but label and scenario": table(
        lambda: ordinary().select("channel", "is_click"),
        "a column that can be a feature is needed",
        "init",
    ),
    "long texts": parquet(
        ["column: channel", "- text"], text=[("word " * 4000) + str(value) for value in range(3)]
    ),
    "long names": table(
        lambda: ordinary().rename({"is_click": "is_click" + "_of_a_page" * 300}), "_1:"
    ),
    "a split": table(
        lambda: ordinary().sort("item_id").with_columns(split=pl.Series(cycle(SPLIT))),
        "split: {by: column, column: split}",
    ),
    "a split in other words": parquet(
        ['split: {by: column, column: "data set", train: TRAIN, valid: dev, test: Eval}'],
        **{
            "data set": [
                {"train": "TRAIN", "valid": "dev", "test": "Eval"}[value] for value in SPLIT
            ]
        },
    ),
    "a split without valid": parquet(
        ["#   fold: a split without valid", "split: {by: time"], fold=["train", "test"]
    ),
    "income_50k": table(
        lambda: ordinary().rename({"is_click": "income_50k"}), "  income_50k: {column: income_50k}"
    ),
    "yes and no": parquet(
        ['click: {column: is_click, equals: "Yes"}'],
        is_click=pl.when(CLICK == 1).then(pl.lit("Yes")).otherwise(pl.lit("No")),
    ),
    "labels called the same": parquet(
        ["  is_click: {column: is_click}", "  Click: {column: Click}"], Click=[True, False, True]
    ),
    "seconds since 1970": parquet(
        ["time: timestamp", "split: {by: time, valid_from: 17", "    day_length: 86400   # sec"],
        timestamp=pl.col("shown_at").dt.epoch("s"),
        shown_at=[1],
    ),
    "thousandths as floats": parquet(
        ["time: ts", "split: {by: time, valid_from: 17", "    day_length: 86400000   # mil"],
        ts=pl.col("shown_at").dt.epoch("ms").cast(pl.Float64),
        shown_at=[1],
    ),
    "weeks of the year": parquet("- week_of_year", week_of_year=list(range(1, 54))),
    "infinite and missing numbers": parquet(
        ["not_finite: impute", "- ratio"], ratio=[0.5, float("nan"), float("inf"), None, -1.5, 2.5]
    ),
    "sorted by label": table(
        lambda: ordinary().sort("is_click").drop("shown_at"), "split: {by: random}"
    ),
    "a truth": parquet("#   truth_click: the true probability", truth_click=[0.25, 0.5, 0.75]),
    "names of our own columns": parquet(
        ["- rows", '- "positives 0"'], **{"rows": [1, 2, 3], "positives 0": [0.5, 1.5]}
    ),
}
