"""Frappe: apps used in a context (Baltrunas et al., 2015), in the rows of BARS' Frappe_x1.

Its files (He and Chua, SIGIR 2017) have the rows of the log as positives, and of each
two negatives: its user and context with an app that the user never used, no app twice. They number
the values of all columns through, in the order of their first rows in the log. Without the file of
train, its positives are the rows of the log that the other files lack; its negatives are drawn by
the same rule, at random by a hash of user and app.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.common.errors import DataError
from hinet_search.data.get import Files, PublishedDataSet
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.raw_text import (
    AGAIN,
    Field,
    KeyLookup,
    Layout,
    Tell,
    all_rows,
    checked,
    columns_of,
    joined,
    lookup_of,
    read_csv,
    read_lines,
)

LOG = "frappe.csv"
PARTS = {
    "train": "frappe.train.libfm",
    "valid": "frappe.validation.libfm",
    "test": "frappe.test.libfm",
}
NUM_NEGATIVES = 2  # of every positive
NUMBERS = ("user", "item", "city")
TEXTS = ("daytime", "weekday", "isweekend", "homework", "cost", "weather", "country")
COLUMNS = ("user", "item", *TEXTS, "city")
CONTEXT = ("user", *TEXTS, "city")  # what a positive and its negatives share
PAIR = ("user", "item")
TABLE = (*COLUMNS, "used", "split")
LOG_ROW = Layout(("user", "item", "cnt", *COLUMNS[2:]), separator="\t")
LOG_FIELDS = {**columns_of(NUMBERS, pl.Int64), **columns_of(TEXTS, pl.String)}
ROW = Layout(("label", *COLUMNS), has_header=False, separator=" ")
FEATURES = columns_of(ROW.columns, pl.String)  # the number of a value, and :1
CODES = {"label": Field(pl.Int8, values=(-1, 1)), **columns_of(COLUMNS, pl.Int64)}


def _rows(files: Files, _: Tell) -> Iterator[pl.DataFrame]:
    log_file = files[LOG]
    log = all_rows(read_csv(log_file, LOG_ROW, LOG_FIELDS), log_file)
    values = _values(log, log_file)
    parts = {}
    for part, name in PARTS.items():
        if name in files:
            parts[part] = _published(files[name], values)
    published = pl.concat(parts.values())
    positives = _unpublished(log, published, log_file)
    if "train" not in parts:
        given = published.filter(pl.col("used") == 0)
        lacking = _lacking(log, given, log_file)
        negatives = _drawn(lacking, pl.concat([log.select(PAIR), given.select(PAIR)]), log_file)
        used = pl.Series("used", [1] * len(positives) + [0] * len(negatives), pl.Int8)
        train = pl.concat([positives, negatives]).with_columns(used)
        yield train.with_columns(split=pl.lit("train"))
    for part, rows in parts.items():
        yield rows.with_columns(split=pl.lit(part))


def _values(log: pl.DataFrame, log_file: Path) -> dict[str, KeyLookup]:
    """The value of every number in the published files, by column."""
    values = {}
    num_values = 0
    for column in COLUMNS:
        distinct = log[column].unique(maintain_order=True)
        codes = pl.int_range(num_values, num_values + len(distinct), eager=True)
        rows = pl.DataFrame({column: codes, "value": distinct})
        values[column] = lookup_of(rows, column, log_file, first_line=2)
        num_values += len(distinct)
    return values


def _published(file: Path, values: Mapping[str, KeyLookup]) -> pl.DataFrame:
    """The rows of a published file, with the values of the log."""
    features = read_lines(file, ROW, FEATURES)
    numbers = features.with_columns(pl.col(COLUMNS).str.strip_suffix(":1"))
    codes = checked(numbers, CODES, file, first_line=1)
    lines = pl.int_range(1, 1 + len(codes), eager=True)
    columns = []
    for column in COLUMNS:
        rows = joined(codes.select(column), values[column], file, lines)
        columns.append(rows["value"].alias(column))
    return pl.DataFrame(columns).with_columns(used=(codes["label"] == 1).cast(pl.Int8))


def _unpublished(log: pl.DataFrame, published: pl.DataFrame, log_file: Path) -> pl.DataFrame:
    """The rows of the log that no published file has; DataError when one has others."""
    shown = _numbered(published.filter(pl.col("used") == 1))
    logged = _numbered(log)
    keys = logged.columns
    unknown = shown.join(logged, on=keys, how="anti", maintain_order="left")
    if len(unknown):
        raise _other_log(log_file, "a row for each of label 1", unknown)
    return logged.join(shown, on=keys, how="anti", maintain_order="left").select(COLUMNS)


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a number among those that are equal to them."""
    return rows.select(*COLUMNS, number=pl.int_range(pl.len()).over(COLUMNS))


def _lacking(log: pl.DataFrame, given: pl.DataFrame, log_file: Path) -> pl.DataFrame:
    """User and context of every negative that the given ones lack."""
    changes = [
        log.select(*CONTEXT, lacking=pl.lit(NUM_NEGATIVES)),
        given.select(*CONTEXT, lacking=pl.lit(-1)),
    ]
    contexts = pl.concat(changes).group_by(CONTEXT, maintain_order=True).agg(pl.sum("lacking"))
    too_many = contexts.filter(pl.col("lacking") < 0)
    if len(too_many):
        raise _other_log(log_file, f"a row for every {NUM_NEGATIVES} of label 0", too_many)
    return contexts[np.repeat(np.arange(len(contexts)), contexts["lacking"])]


def _drawn(lacking: pl.DataFrame, taken: pl.DataFrame, log_file: Path) -> pl.DataFrame:
    """The negatives, each with an app that is not taken for its user."""
    items = taken["item"].unique(maintain_order=True)
    taken_by = dict(taken.group_by("user").agg("item").iter_rows())
    drawn = [taken.clear().join(lacking, on="user").select(COLUMNS)]
    for rows in lacking.partition_by("user", maintain_order=True):
        user = rows["user"][0]
        free = items.filter(~items.is_in(taken_by[user]))
        if len(free) < len(rows):
            wanted = f"{len(rows):,} apps for negatives of user {user}"
            raise DataError(f"{log_file}: must have {wanted}, got {len(free):,}", remedy=AGAIN)
        order = pl.Series(uniform(keys_of(free), user)).arg_sort()
        drawn.append(rows.with_columns(free[order[: len(rows)]].alias("item")).select(COLUMNS))
    return pl.concat(drawn)


def _other_log(log_file: Path, wanted: str, rows: pl.DataFrame) -> DataError:
    first = ", ".join(f"{column} {rows[column][0]}" for column in COLUMNS if column in rows.columns)
    return DataError(
        f"{log_file}: must have {wanted} in the other files, lacks {first}", remedy=AGAIN
    )


DATA_SETS = (
    PublishedDataSet(
        name="frappe",
        published_at=f"https://github.com/irecsys/CARSKit ({LOG} in Mobile_Frappe.zip, research "
        "use) and https://github.com/hexiangnan/neural_factorization_machine (the other files)",
        folders=("", "frappe", "data/frappe"),
        files=(LOG, *PARTS.values()),
        optional=(PARTS["train"],),
        tables={"frappe/frappe_x1.parquet": _rows},
        study="public/frappe_x1",
        definition="frappe_x1",
    ),
)
