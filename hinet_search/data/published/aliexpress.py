"""AliExpress: searches in a shop, a scenario for each of four countries (Tianchi 74690).

Files are the published ones, searches and their items apart, or those of the Multi-task
Recommendation Library, which joins them into train.csv and test.csv. Most papers' numbers go back
to the latter; both give the same rows. A tenth of the searches of train is the valid split.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain, product
from pathlib import Path

import polars as pl

from hinet_search.data.get import Files, PublishedDataSet, new_study
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.key_lookup import joined_known, lookup_of
from hinet_search.data.parts import part_of
from hinet_search.data.raw_text import (
    Field,
    Layout,
    Tell,
    all_rows,
    broken,
    columns_of,
    counted,
    read_csv,
)

COUNTRIES = ("NL", "ES", "FR", "US")
PARTS = {"train": {"valid": 0.0, "train": 0.1}, "test": {"test": 0.0}}  # of a published part
SEED = 1
SEARCH = "search_id"
CATEGORIES = tuple(f"categorical_{number}" for number in range(1, 17))
NUMBERS = tuple(f"numerical_{number}" for number in range(1, 64))
LABELS = ("click", "conversion")
ROW = Layout((SEARCH, *CATEGORIES, *NUMBERS, *LABELS))
FIELDS = {
    SEARCH: Field(pl.Int64),
    **columns_of(CATEGORIES, pl.Int64),
    **columns_of(NUMBERS, pl.Float32, optional=True),
    **{label: Field(pl.Int8, values=(0, 1)) for label in LABELS},
}
CELLS = tuple(product(COUNTRIES, PARTS))
CONVERTED = {cell: f"AliExpress_{cell[0]}/{cell[1]}.csv" for cell in CELLS}
PUBLISHED_FOLDERS = ("aliexpress_{}_datasets/", "AliExpress_{}/", "")  # of a country

# Columns of the published files are numbered. Those of searches are the first 9 categories and 23
# numbers, those of items the others.
SEARCHES = Layout(tuple(f"user_{number}" for number in range(1, 34)), has_header=False)
ITEMS = Layout(tuple(f"item_{number}" for number in range(1, 50)), has_header=False)
OF_SEARCHES = dict(
    zip(
        (SEARCH, *CATEGORIES[:9], *NUMBERS[:23]),
        (f"user_{number}" for number in (*range(1, 9), 32, 33, *range(9, 32))),
        strict=True,
    )
)
ITEM_CATEGORIES = (19, 34, 35, 36, 40, 41, 42)
ITEM_NUMBERS = tuple(number for number in range(2, 49) if number not in ITEM_CATEGORIES)
FEEDBACK = "item_49"  # 0 nothing, 1 a click, 2 a click and a conversion
OF_ITEMS = dict(
    zip(
        (SEARCH, *CATEGORIES[9:], *NUMBERS[23:], FEEDBACK),
        (f"item_{number}" for number in (1, *ITEM_CATEGORIES, *ITEM_NUMBERS, 49)),
        strict=True,
    )
)
FOLDER = "aliexpress"
DEFINITION = f"""\
# AliExpress: four countries, click and purchase, test as published, valid a tenth of the searches.
source: {{kind: table, path: {FOLDER}/searches.parquet}}
scenario:
  column: country
  values: {{NL: Netherlands, ES: Spain, FR: France, US: United States}}
tasks:
  click: {{column: click}}
  conversion: {{column: conversion}}
features:
  categorical: [{", ".join(CATEGORIES)}]
  numeric: [{", ".join(NUMBERS)}]
never_features: [search_id, split]
split: {{by: column, column: split}}
"""


def _published_files(folder: str) -> dict[tuple[str, str], tuple[str, str]]:
    """The files of searches and of items, by country and part; `folder` has {} for the country."""
    files = {}
    for country, part in CELLS:
        start = f"{folder.format(country)}{country.lower()}"
        files[country, part] = (f"{start}_user_{part}.csv", f"{start}_item_{part}.csv")
    return files


def _names(folder: str) -> tuple[str, ...]:
    return tuple(chain.from_iterable(_published_files(folder).values()))


def _rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    for country in COUNTRIES:
        for part, firsts in PARTS.items():
            for batch in _rows_of(country, part, files, tell):
                position = pl.Series(uniform(keys_of(batch[SEARCH]), SEED))
                split = part_of(position, firsts)
                yield batch.with_columns(pl.lit(country).alias("country"), split)


def _rows_of(country: str, part: str, files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    """The rows of a country and part in whichever form the files are."""
    converted = CONVERTED[country, part]
    if converted in files:
        (file,) = files[converted]
        yield from _converted(file, tell)
    for folder in PUBLISHED_FOLDERS:
        searches, items = _published_files(folder)[country, part]
        if searches in files:
            (search_file,) = files[searches]
            (item_file,) = files[items]
            yield from _published(search_file, item_file, tell)


def _converted(file: Path, tell: Tell) -> Iterator[pl.DataFrame]:
    """The rows of the library's file; DataError when something is bought without a click."""
    first_line = 2
    for batch in counted(read_csv(file, ROW, FIELDS), file, tell):
        is_wrong = batch["conversion"] > batch["click"]
        if is_wrong.any():
            line = first_line + is_wrong.arg_true()[0]
            raise broken(file, line, "conversion must be 0 where click is 0, got 1")
        yield batch
        first_line += len(batch)


def _published(search_file: Path, item_file: Path, tell: Tell) -> Iterator[pl.DataFrame]:
    """The items with their searches. An item without a search is left out, as by the library."""
    searches = _renamed(search_file, SEARCHES, OF_SEARCHES, tell)
    lookup = lookup_of(all_rows(searches, search_file), SEARCH, search_file, first_line=1)
    num_without = 0
    for batch in _renamed(item_file, ITEMS, OF_ITEMS, tell):
        rows = joined_known(batch, lookup)
        num_without += len(batch) - len(rows)
        yield rows.with_columns(
            click=(pl.col(FEEDBACK) > 0).cast(pl.Int8),
            conversion=(pl.col(FEEDBACK) > 1).cast(pl.Int8),
        ).select(ROW.columns)
    if num_without:
        lacking = f"{search_file.name} lacks their searches"
        tell(f"{item_file.name}: {num_without:,} rows left out, {lacking}")


def _renamed(
    file: Path, layout: Layout, columns: dict[str, str], tell: Tell
) -> Iterator[pl.DataFrame]:
    """The rows of a published file with our names of its columns, which errors do not use."""
    known = {**FIELDS, FEEDBACK: Field(pl.Int8, values=(0, 1, 2))}
    fields = {published: known[ours] for ours, published in columns.items()}
    names = {published: ours for ours, published in columns.items()}
    for batch in counted(read_csv(file, layout, fields), file, tell):
        yield batch.rename(names)


DATA_SETS = (
    PublishedDataSet(
        name="aliexpress",
        published_at="https://tianchi.aliyun.com/dataset/74690 (archives in archives; or train.csv "
        "and test.csv from https://github.com/easezyc/Multitask-Recommendation-Library)",
        folders=("", "data", "AliExpress"),
        files=_names(PUBLISHED_FOLDERS[0]),
        other_forms=(
            tuple(CONVERTED.values()),
            *(_names(folder) for folder in PUBLISHED_FOLDERS[1:]),
        ),
        tables={f"{FOLDER}/searches.parquet": _rows},
        study=partial(
            new_study,
            FOLDER,
            "AliExpress (four countries, click and conversion)",
            DEFINITION,
            passes=2,
        ),
    ),
)
