"""Encodings per number: which one a number has, and what a model of several reads of it."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from small_models import SCHEMA, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.contracts import NumberAware
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.number_encoding import (
    BinEncoding,
    MixedEncoding,
    Standardised,
    bins_of,
)
from hinet_search.study.distributions import Value
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.trial_config import TrialConfig, build_config

NAMES = ("price", "age", "hour sin", "hour cos", "user rows", "user click rate", "age_missing")
GROUPS = {"statistics": ("user rows", "user click rate"), "person": ("age", "age_missing")}
ALL_KINDS = ("piecewise", "bins", "standardised", "piecewise", "bins")
TRAINING_ROWS = np.random.default_rng(0).lognormal(size=(500, 5)).astype(np.float32)


def config(values: Mapping[str, Value]) -> TrialConfig:
    names = {"all": "features.number_encoding"}
    return build_config(
        "shared_bottom",
        {
            names.get(name, f"features.number_encodings.{name}"): value
            for name, value in values.items()
        },
    )


def encodings(values: Mapping[str, Value]) -> dict[str, str]:
    """The encodings of all numbers that have vectors."""
    schema = config(values).features.reading(replace(SCHEMA, numeric=NAMES), GROUPS)
    every = dict(zip(NAMES, schema.number_encodings, strict=False))
    return {name: kind for name, kind in every.items() if kind != "standardised"}


def mixed_schema(kinds: tuple[str, ...] = ALL_KINDS) -> Schema:
    names = tuple(f"number {place}" for place in range(len(kinds)))
    return replace(SCHEMA, numeric=names, number_encodings=kinds)


def begin(model: nn.Module, rows_RN: np.ndarray = TRAINING_ROWS) -> nn.Module:
    for part in model.modules():
        if isinstance(part, NumberAware):
            part.begin_with(rows_RN)
    return model


def test_a_number_that_is_named_has_its_encoding_and_others_that_of_all() -> None:
    assert encodings({"price": "piecewise"}) == {"price": "piecewise"}
    of_all = {**dict.fromkeys(NAMES, "bins"), "price": "piecewise"}
    assert encodings({"all": "bins", "price": "piecewise"}) == of_all
    del of_all["price"]
    assert encodings({"all": "bins", "price": "standardised"}) == of_all


def test_a_column_is_named_with_its_flag_and_both_parts_of_its_cycle() -> None:
    assert encodings({"age": "bins"}) == {"age": "bins", "age_missing": "bins"}
    assert encodings({"hour": "piecewise"}) == {"hour sin": "piecewise", "hour cos": "piecewise"}


def test_derived_numbers_are_named_each_or_as_a_group() -> None:
    one, both = "user click rate", {"user rows": "bins", "user click rate": "bins"}
    assert encodings({one: "bins"}) == {one: "bins"}
    assert encodings({"statistics": "bins"}) == both
    assert encodings({"person": "bins"}) == {"age": "bins", "age_missing": "bins"}


@pytest.mark.parametrize("order", list(permutations(["statistics", "user rows", "all"])))
def test_a_number_goes_before_its_group_and_a_group_before_all(order: tuple[str, ...]) -> None:
    values = {"statistics": "bins", "user rows": "standardised", "all": "piecewise"}
    expected = dict.fromkeys(NAMES, "piecewise") | {"user click rate": "bins"}
    del expected["user rows"]
    assert encodings({name: values[name] for name in order}) == expected


def test_a_column_goes_before_its_group_with_its_flag() -> None:
    expected = {"age": "piecewise", "age_missing": "piecewise"}
    assert encodings({"age": "piecewise", "person": "bins"}) == expected


def test_encodings_that_agree_are_one_and_standardised_ones_none() -> None:
    schema = replace(SCHEMA, numeric=NAMES)
    none = config(dict.fromkeys(["price", "statistics"], "standardised")).features
    assert none.reading(schema, GROUPS) == schema
    whole = config(dict.fromkeys(("price", "age", "hour", "statistics"), "bins")).features
    of_all = FeatureConfig(number_encoding="bins").reading(schema, GROUPS)
    assert whole.reading(schema, GROUPS) == of_all
    assert isinstance(FeatureEmbedding(of_all, 4).numbers, BinEncoding)
    assert isinstance(FeatureEmbedding(schema, 4).numbers, Standardised)


def test_configurations_tell_their_encodings_and_none_without_any() -> None:
    named = config({"price": "bins", "user rows": "piecewise"})
    told = named.sections["features"]["number_encodings"]
    assert told == {"price": "bins", "user rows": "piecewise"}
    assert "number_encodings" not in config({}).sections["features"]
    assert named != config({"price": "bins"})
    assert repr(named) != repr(config({"price": "bins"})), "checkpoints are named by it"


def test_every_number_has_the_bins_of_its_own_training_values() -> None:
    encoding = FeatureEmbedding(mixed_schema(), 2).numbers
    begin(encoding)
    assert isinstance(encoding, MixedEncoding)
    for kind, places in {"bins": [1, 4], "piecewise": [0, 3]}.items():
        part = encoding.parts[kind]
        for number, place in enumerate(places):
            low_K, width_K = bins_of(TRAINING_ROWS[:, place])
            torch.testing.assert_close(part.low_NK[number].double(), torch.from_numpy(low_K))
            torch.testing.assert_close(part.width_NK[number].double(), torch.from_numpy(width_K))


def test_the_order_of_columns_does_not_change_what_is_read() -> None:
    """Numbers with one encoding keep their order; those with others may lie anywhere between."""
    rows = batch(mixed_schema(), rows=20)
    encoding = randomise(begin(FeatureEmbedding(mixed_schema(), 4)))
    for order in ([1, 4, 2, 0, 3], [0, 2, 1, 3, 4], [0, 1, 2, 3, 4]):
        moved = mixed_schema(tuple(ALL_KINDS[place] for place in order))
        other = begin(FeatureEmbedding(moved, 4), TRAINING_ROWS[:, order]).double().eval()
        other.load_state_dict(encoding.state_dict())
        x_BD = other(replace(rows, numeric_BN=rows.numeric_BN[:, order]))
        assert torch.equal(x_BD, encoding(rows))


def test_numbers_of_several_encodings_ask_nothing_of_their_device() -> None:
    embedding = FeatureEmbedding(mixed_schema(), 4).to("meta")
    rows = batch(mixed_schema(), rows=20)
    inputs = (rows.ids_BF, rows.numeric_BN.float(), rows.scenario_B, rows.lists_BS)
    x_BD = embedding(Batch(*(each.to("meta") for each in inputs)))
    assert x_BD.shape == (20, embedding.width) == (20, 2 * 4 + 5 + 4 * 4)


def test_a_configuration_without_an_encoding_does_not_name_it() -> None:
    assert "number_encoding" not in FeatureConfig().model_dump()
