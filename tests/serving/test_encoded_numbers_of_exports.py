"""Encoded numbers of exports: predict and the graph read numbers as the trained model did."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hinet_search.serving.predict import predictions
from hinet_search.training.feature_config import FeatureConfig
from tests.serving.graph_shop import (
    STUDY,
    Written,
    columns_of,
    export_shop,
    graph_scores,
)

ENCODING, OF_ONE = "features.number_encoding", "features.number_encodings"
MIXED = f"{OF_ONE}.price: bins, {OF_ONE}.age: piecewise, {OF_ONE}.minute: periodic"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """An arm that encodes each number in another way, with a graph."""
    text = STUDY.replace("fixed: {", f"fixed: {{{MIXED}, {ENCODING}: periodic, ")
    return export_shop(tmp_path_factory.mktemp("encoded"), text)


def test_an_export_keeps_the_encoding_and_its_graph_scores_as_the_model(written: Written) -> None:
    assert "number_encoding" in (written.folder / "config.yaml").read_text()
    expected_RT = predictions(written.exported, written.columns)
    assert np.nanmax(expected_RT) - np.nanmin(expected_RT) > 0.05
    graph_RT = graph_scores(written.folder, written.columns)
    assert_allclose(graph_RT, expected_RT, rtol=0, atol=1e-5)


def test_prices_of_one_end_of_the_range_score_the_same(written: Written, tmp_path: Path) -> None:
    far, farther = (
        predictions(
            written.exported,
            columns_of(written.exported, written.raw.with_columns(price=pl.lit(price))),
        )
        for price in (131.0, 1e9)
    )
    assert_array_equal(far, farther)


def test_a_configuration_without_an_encoding_does_not_name_it() -> None:
    assert "number_encoding" not in FeatureConfig().model_dump()
