"""Derived inputs: statistics, lists and matches, and the groups that a search can leave out."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from tables import LISTS, definition, prepared, shop, with_lists

from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.rows import read_rows
from hinet_search.study.data_definition import DataDefinition

STATISTICS = {"by": ["user", ["item", "place"]], "clock": "minute"}
MATCHES = {
    "lists": ["watched"],
    "by": ["item"],
    "rates": {"kept": "watched"},
    "similarity": ["watched"],
}
HIDDEN = {"kept": {"column": "kept", "item": "item", "pooled": False}}
FEATURES: dict[str, Any] = {
    "categorical": ["user", "item", "age"],
    "numeric": ["price"],
    "statistics": STATISTICS,
    "lists": LISTS | HIDDEN,
    "matches": MATCHES,
    "groups": {"person": ["age", "price"]},
}
OF_STATISTICS = ["user rows", "user click rate", "user buy rate"]
OF_STATISTICS += ["item x place rows", "item x place click rate", "item x place buy rate"]
OF_MATCHES = ["watched length", "watched same item", "watched share item", "kept/watched item"]
OF_MATCHES += ["watched item count", "watched similarity"]


def table() -> pl.DataFrame:
    """The shop with lists, and a price that is missing in some rows."""
    hole = pl.when(pl.col("minute") % 7 == 0).then(None).otherwise("price").alias("price")
    return with_lists(shop()).with_columns(hole)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return prepared(table(), folder, features=FEATURES)


@pytest.fixture(scope="module")
def wanted() -> DataDefinition:
    return definition(features=FEATURES)


def test_numeric_inputs_are_columns_then_statistics_then_matches_then_flags(
    dataset: Dataset,
) -> None:
    names = ["price", *OF_STATISTICS, *OF_MATCHES, "price_missing"]
    assert list(dataset.full_schema.numeric) == names


def test_derived_inputs_have_mean_zero_and_deviation_one_on_train(dataset: Dataset) -> None:
    derived_RN = np.asarray(dataset.train.numeric_RN, np.float64)[:, 1:-1]
    np.testing.assert_allclose(derived_RN.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(derived_RN.std(axis=0), 1, atol=1e-4)


def test_statistics_stand_in_their_rows_of_every_split(
    dataset: Dataset, folder: Path, wanted: DataDefinition
) -> None:
    rows = read_rows(wanted, folder, folder / "cache")
    assert wanted.features.statistics is not None
    raw_R = target_statistics(wanted.features.statistics, rows, ("click", "buy"))[
        "item x place click rate"
    ].to_numpy()
    position = dataset.full_schema.numeric.index("item x place click rate")
    encoded_R = np.concatenate([getattr(dataset, name).numeric_RN[:, position] for name in SPLITS])
    assert np.corrcoef(raw_R, encoded_R)[0, 1] == pytest.approx(1.0, abs=1e-6)


def test_groups_name_the_inputs_of_every_kind_and_the_flags_of_theirs(dataset: Dataset) -> None:
    assert dataset.groups == {
        "statistics": tuple(OF_STATISTICS),
        "lists": ("watched",),
        "matches": tuple(OF_MATCHES),
        "person": ("age", "price", "price_missing"),
    }
    assert dataset.record.groups == {"statistics": 6, "lists": 1, "matches": 6, "person": 3}


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize(
    ("groups", "numeric", "categorical", "lists"),
    [
        ("none", [], ["user", "item"], []),
        ("statistics", OF_STATISTICS, ["user", "item"], []),
        ("lists", [], ["user", "item"], ["watched"]),
        ("person", ["price", "price_missing"], ["user", "item", "age"], []),
        ("matches+person", ["price", *OF_MATCHES, "price_missing"], ["user", "item", "age"], []),
    ],
)
def test_a_view_of_groups_has_their_inputs_beside_the_ungrouped_ones_and_no_other(
    groups: str,
    numeric: list[str],
    categorical: list[str],
    lists: list[str],
    name: str,
    dataset: Dataset,
) -> None:
    view, full = dataset.with_groups(groups), dataset.full_schema
    assert list(view.full_schema.numeric) == numeric
    assert list(view.full_schema.categorical) == categorical
    assert [list_.name for list_ in view.full_schema.lists] == lists
    assert view.full_schema == dataset.schema(groups=groups)
    columns, full_columns = getattr(view, name), getattr(dataset, name)
    numbers = [full.numeric.index(name) for name in numeric]
    fields = [full.categorical.index(name) for name in categorical]
    assert_array_equal(columns.numeric_RN, full_columns.numeric_RN[:, numbers])
    assert_array_equal(columns.ids_RF, full_columns.ids_RF[:, fields])
    assert columns.lists_RS.shape[1] == 4 * len(lists)


def test_a_list_goes_with_the_field_of_its_item_and_follows_it_to_another_place(
    tmp_path: Path,
) -> None:
    ages = {"column": "ages", "item": "age", "length": 2}
    features = {
        "categorical": ["user", "item", "age"],
        "lists": {"ages": ages, **LISTS},
        "groups": {"who": ["user"], "old": ["age"]},
    }
    frame = with_lists(shop()).with_columns(ages=pl.concat_list("age"))
    data = prepared(frame, tmp_path, features=features)
    view = data.with_groups("lists")
    assert [(list_.name, list_.field) for list_ in view.full_schema.lists] == [("watched", 0)]
    assert view.full_schema.categorical == ("item",)
    assert (view.train.lists_RS == data.train.lists_RS[:, 2:]).all()
    assert [(list_.name, list_.field) for list_ in data.schema(groups="lists+old").lists] == [
        ("ages", 1),
        ("watched", 0),
    ]
