"""AliExpress: searches in a shop, a scenario for each of four countries (Tianchi 74690).

Files are those of the Multi-task Recommendation Library, train.csv and test.csv per country, into
which most papers' numbers go. A tenth of the searches of train.csv is the valid split.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from hinet_search.data.get import Files, PublishedDataSet, StudyTexts, new_study
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.parts import part_of
from hinet_search.data.raw_text import Field, Layout, Tell, broken, columns_of, counted, read_csv

COUNTRIES = ("NL", "ES", "FR", "US")
PARTS = {"train": {"valid": 0.0, "train": 0.1}, "test": {"test": 0.0}}  # of a published file
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
    **columns_of(LABELS, pl.Int8),
}
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


def _rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    for name, (file,) in files.items():
        country = name.partition("/")[0].removeprefix("AliExpress_")
        for batch in counted(_labelled(file), file, tell):
            position = pl.Series(uniform(keys_of(batch[SEARCH]), SEED))
            part = part_of(position, PARTS[Path(name).stem])
            yield batch.with_columns(pl.lit(country).alias("country"), part)


def _labelled(file: Path) -> Iterator[pl.DataFrame]:
    """The rows; DataError when something is bought without a click."""
    first_line = 2
    fields = {**FIELDS, **{label: Field(pl.Int8, values=(0, 1)) for label in LABELS}}
    for batch in read_csv(file, ROW, fields):
        is_wrong = batch["conversion"] > batch["click"]
        row = is_wrong.arg_max() if is_wrong.any() else None
        if row is not None:
            raise broken(file, first_line + row, "conversion must be 0 where click is 0, got 1")
        yield batch
        first_line += len(batch)


def _study() -> StudyTexts:
    return new_study(
        FOLDER, "AliExpress (four countries, click and conversion)", DEFINITION, passes=2
    )


DATA_SETS = (
    PublishedDataSet(
        name="aliexpress",
        published_at="https://github.com/easezyc/Multitask-Recommendation-Library "
        "(made of https://tianchi.aliyun.com/dataset/74690)",
        folders=("", "data", "AliExpress"),
        files=tuple(
            f"AliExpress_{country}/{part}.csv"
            for country in COUNTRIES
            for part in ("train", "test")
        ),
        tables={f"{FOLDER}/searches.parquet": _rows},
        study=_study,
    ),
)
