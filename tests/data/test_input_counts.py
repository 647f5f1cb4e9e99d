"""Input counts: every kind of input is counted once, with what the derived ones cost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import LISTS, prepared, shop, with_lists

from hinet_search.cli.plan_text import _inputs
from hinet_search.data import encoded_folder
from hinet_search.data.columns import Dataset
from hinet_search.data.encoded_folder import damage, open_dataset
from hinet_search.data.study_data import InputCounts, count_inputs
from hinet_search.study.feature_definition import FeatureDefinition

PLAIN: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
STATISTICS = {"statistics": {"by": ["user", "item", ["user", "place"]], "clock": "minute"}}
EVENTS = {"events": {"by": ["user", "item"], "labels_after": "5s", "windows": ["60s"]}}
SEEN = {"of": "user", "items": ["item"], "labels": ["click"], "labels_after": "5s", "length": 3}
MATCHES = {"lists": LISTS, "matches": {"lists": ["watched"], "by": ["item", "price"]}}


def gaps() -> pl.DataFrame:
    """The shop with lists, and with prices that are missing."""
    price = pl.when(pl.col("minute") % 5 > 0).then("price").alias("price")
    return with_lists(shop()).with_columns(price)


def encoded(folder: Path, features: dict[str, Any]) -> tuple[Dataset, InputCounts]:
    folder.mkdir(exist_ok=True)
    data = prepared(gaps(), folder, features=features, time_unit="s")
    return data, count_inputs(data, FeatureDefinition.model_validate(features))


@pytest.mark.parametrize(
    ("features", "kinds"),
    [
        (PLAIN, "5: 2 categorical, 2 numeric, 1 flag of missing numbers"),
        ({"categorical": ["user"]}, "1: 1 categorical"),
        (
            PLAIN | STATISTICS,
            "14: 2 categorical, 2 numeric, 1 flag of missing numbers, 9 statistics of 3 keys",
        ),
        (
            PLAIN | {"lists": LISTS},
            "6: 2 categorical, 2 numeric, 1 flag of missing numbers, 1 list",
        ),
        (
            PLAIN | EVENTS | {"session": {"gap": "30s"}, "sequences": {"seen": SEEN}},
            "16: 2 categorical, 2 numeric, 1 flag of missing numbers, 8 events of 2 keys, 2 of the session, 1 sequence",
        ),
        (
            PLAIN | STATISTICS | MATCHES,
            "20: 2 categorical, 2 numeric, 1 flag of missing numbers, 9 statistics of 3 keys, 5 matches, 1 list",
        ),
    ],
)
def test_every_input_is_counted_under_its_kind(
    features: dict[str, Any], kinds: str, tmp_path: Path
) -> None:
    data, counts = encoded(tmp_path, features)
    schema = data.full_schema
    num_lists = len(schema.pooled_lists) + len(schema.sequences)
    assert counts.total == len(schema.categorical) + len(schema.numeric) + num_lists
    assert _inputs(counts).split(" (")[0] == kinds


def test_derived_inputs_take_the_bytes_of_their_columns(tmp_path: Path) -> None:
    plain, without = encoded(tmp_path / "plain", PLAIN)
    data, counts = encoded(tmp_path / "all", PLAIN | STATISTICS | MATCHES)
    columns = [
        [getattr(part, name) for part in (dataset.train, dataset.valid, dataset.test)]
        for dataset in (plain, data)
        for name in ("numeric_RN", "lists_RS")
    ]
    sizes = [sum(part.nbytes for part in parts) for parts in columns]
    assert counts.derived_bytes == sum(sizes[2:]) - sum(sizes[:2])
    assert without.derived_bytes == 0


def test_the_seconds_of_derived_inputs_are_kept_with_the_data(tmp_path: Path) -> None:
    _, without = encoded(tmp_path / "plain", PLAIN)
    data, counts = encoded(tmp_path / "all", PLAIN | STATISTICS)
    assert counts.derived_seconds is not None
    assert open_dataset(data.folder).derived_seconds == counts.derived_seconds
    assert _inputs(counts).endswith(f"(22 kB, {counts.derived_seconds:.1f} s once)")
    assert without.derived_seconds is None


def test_a_folder_of_before_seconds_were_kept_is_opened(tmp_path: Path) -> None:
    data, counts = encoded(tmp_path, PLAIN | STATISTICS)
    path = data.folder / encoded_folder.MANIFEST
    manifest = encoded_folder._read_manifest(data.folder)
    older = encoded_folder._sealed(replace(manifest, derived_seconds=None))
    path.write_bytes(encoded_folder._MANIFEST.dump_json(older, indent=1))
    assert "derived_seconds" not in json.loads(path.read_text())
    assert damage(data.folder) == ""
    assert open_dataset(data.folder).derived_seconds is None
    assert _inputs(replace(counts, derived_seconds=None)).endswith("(22 kB)")
