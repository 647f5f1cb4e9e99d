"""Ali-CCP: clicks and purchases in Taobao, three scenarios (Ma et al., 2018; Tianchi 408).

A sample has features of its own and of its user, joined by a key. Fields and the rule for
several features of a field follow the usual preparation (Scenario-Wise-Rec).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from hinet_search.data.get import Files, PublishedDataSet, part_of
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.raw_text import (
    Field,
    Layout,
    Tell,
    all_rows,
    broken,
    checked,
    columns_of,
    counted,
    first_of,
    joined,
    lookup_of,
    read_csv,
)

ENTRY = "\x01"  # begins an entry
FEATURE = "\x02"  # begins its feature
VALUE = "\x03"  # begins its value
PARTS = {"train": {"train": 0.0}, "test": {"valid": 0.0, "test": 0.5}}  # of a published part
SEED = 1
SCENARIO = "301"
OF_SAMPLE = ("205", "206", "207", "210", "216", "508", "509", "702", "853", SCENARIO)
OF_USER = (
    *("101", "121", "122", "124", "125", "126", "127", "128", "129"),
    *("109_14", "110_14", "127_14", "150_14"),
)
WITH_VALUE = ("109_14", "110_14", "127_14", "150_14", "508", "509", "702", "853")
SKELETON = Layout(
    ("sample_id", "click", "purchase", "key", "feature_count", "features"), has_header=False
)
COMMON = Layout(("key", "feature_count", "features"), has_header=False)
COMMON_FIELDS = {**columns_of(("key", "features"), pl.String), "feature_count": Field(pl.Int32)}
SKELETON_FIELDS = {
    "sample_id": Field(pl.Int64),
    **{label: Field(pl.Int8, values=(0, 1)) for label in ("click", "purchase")},
    **COMMON_FIELDS,
}
CATEGORIES = tuple(field for field in (*OF_USER, *OF_SAMPLE) if field != SCENARIO)
NUMBERS = tuple(f"D{field}" for field in WITH_VALUE)
TABLE = ("click", "purchase", SCENARIO, *CATEGORIES, *NUMBERS, "split")


def _rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    for part in ("train", "test"):
        common_file = files[f"common_features_{part}.csv"]
        file = files[f"sample_skeleton_{part}.csv"]
        samples_of_users = _with_features(common_file, COMMON, COMMON_FIELDS, OF_USER, tell)
        users = all_rows(samples_of_users, common_file)
        lookup = lookup_of(users, "key", common_file, first_line=1)
        first_line = 1
        for batch in _with_features(file, SKELETON, SKELETON_FIELDS, OF_SAMPLE, tell):
            lines = pl.int_range(first_line, first_line + len(batch), eager=True)
            first_line += len(batch)
            samples = joined(batch, lookup, file, lines).filter(
                pl.col("click") >= pl.col("purchase")
            )
            position = pl.lit(pl.Series(uniform(keys_of(samples["sample_id"]), SEED)))
            yield samples.with_columns(part_of(position, PARTS[part])).select(TABLE)


def _with_features(
    file: Path, layout: Layout, fields: Mapping[str, Field], wanted: tuple[str, ...], tell: Tell
) -> Iterator[pl.DataFrame]:
    """The rows with a column for every wanted field, and for its value, in place of the list."""
    first_line = 1
    for batch in counted(read_csv(file, layout, fields), file, tell):
        features = _features(batch, wanted, file, first_line)
        yield batch.drop("features", "feature_count").hstack(features)
        first_line += len(batch)


def _features(
    batch: pl.DataFrame, wanted: tuple[str, ...], file: Path, first_line: int
) -> pl.DataFrame:
    """The last feature of every wanted field of every row, 0 where there is none."""
    entries = batch.select(
        row=pl.int_range(pl.len(), dtype=pl.UInt32), entry=pl.col("features").str.split(ENTRY)
    ).explode("entry", empty_as_null=True)
    counts = entries.group_by("row", maintain_order=True).agg(pl.len())["len"]
    row = first_of(counts != batch["feature_count"])
    if row is not None:
        problem = f"must have {batch['feature_count'][row]} features, got {counts[row]}"
        raise broken(file, first_line + row, problem)
    halves = pl.col("entry").str.splitn(FEATURE, 2).struct.rename_fields(["field", "rest"])
    ends = pl.col("rest").str.splitn(VALUE, 2).struct.rename_fields(["feature", "value"])
    parts = entries.with_columns(halves.struct.unnest()).with_columns(ends.struct.unnest())
    first = first_of(parts["value"].is_null())
    if first is not None:
        line = first_line + parts["row"][first]
        problem = f"must have entries of field, feature and value, got {parts['entry'][first]!r}"
        raise broken(file, line, problem)
    chosen = parts.filter(pl.col("field").is_in(wanted))
    columns = [_last(field, "feature").alias(field) for field in wanted]
    columns += [_last(field, "value").alias(f"D{field}") for field in wanted if field in WITH_VALUE]
    found = chosen.group_by("row").agg(columns)
    texts = entries.select(pl.col("row").unique(maintain_order=True)).join(
        found, on="row", how="left", maintain_order="left"
    )
    fields = columns_of(wanted, pl.Int64, optional=True) | columns_of(
        [name for name in NUMBERS if name in texts.columns], pl.Float32, optional=True
    )
    return checked(texts, fields, file, first_line).fill_null(0)


def _last(field: str, part: str) -> pl.Expr:
    return pl.col(part).filter(pl.col("field") == field).last()


DATA_SETS = (
    PublishedDataSet(
        name="ali-ccp",
        published_at="https://tianchi.aliyun.com/dataset/408",
        folders=("", "data"),
        files=(
            "sample_skeleton_train.csv",
            "common_features_train.csv",
            "sample_skeleton_test.csv",
            "common_features_test.csv",
        ),
        tables={"ali_ccp/samples.parquet": _rows},
        study="public/ali_ccp",
        definition="ali_ccp",
    ),
)
