"""Proposed transforms: `data init` writes a transform where the values of a number ask for one."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.data.guess import transforms
from hinet_search.data.guess.column_facts import facts_of, numbered
from hinet_search.data.guess.transforms import ProposedTransform, propose_transforms
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.prepare import prepare
from hinet_search.study.load_study import load_study

DRAW = np.random.default_rng(0)
N = 5000
ANY = DRAW.uniform(0, 1, N)


def proposed(**columns: object) -> dict[str, ProposedTransform]:
    """The proposals by name, for a table whose columns are all numeric features."""
    lazy = pl.DataFrame(columns).lazy()
    proposals = propose_transforms(numbered(lazy), facts_of(lazy), list(columns))
    return {proposal.name: proposal for proposal in proposals}


def transform_of(name: str, values: object) -> str:
    proposals = proposed(**{name: values})
    return proposals[name].transform if proposals else ""


@pytest.mark.parametrize(
    ("values", "transform"),
    [
        (DRAW.normal(0, 5, N), ""),
        (DRAW.uniform(-3, 90, N), ""),
        (DRAW.exponential(20, N), ""),
        (DRAW.lognormal(4, 1, N), ""),
        (100 - DRAW.lognormal(1, 1, N).clip(0, 100), ""),
        (DRAW.lognormal(4, 3, N), "log"),
        (np.floor(DRAW.lognormal(2, 3, N)), "log"),
        (np.append(DRAW.lognormal(1, 1, N), 1e5), "log"),
        (np.where(ANY < 0.9, 0, np.floor(DRAW.lognormal(3, 2.5, N))), "log"),
        (DRAW.lognormal(-12, 3, N), "quantile"),
        (1e9 + DRAW.lognormal(1, 3, N), "quantile"),
        (DRAW.standard_cauchy(N), "quantile"),
        (DRAW.lognormal(4, 3, N) - 5, "quantile"),
        (-DRAW.lognormal(4, 3, N), "quantile"),
        (np.append(DRAW.normal(50, 10, N), -1e6), "quantile"),
        (np.where(ANY < 0.995, 0, ANY), ""),
        (np.where(ANY < 0.99, 0.0, 1.0), ""),
        (DRAW.lognormal(4, 3, 60), ""),
    ],
    ids=[
        "normal",
        "uniform",
        "exponential",
        "a mild tail",
        "scores near 100",
        "amounts",
        "counts",
        "far outliers",
        "mostly 0",
        "small rates",
        "far from 0",
        "both tails",
        "some negative",
        "a lower tail",
        "a placeholder",
        "rare rates",
        "two values",
        "few rows",
    ],
)
def test_the_tails_of_a_number_decide_its_transform(values: np.ndarray, transform: str) -> None:
    assert transform_of("x", values) == transform


def test_a_tail_has_its_quantiles_as_the_reason() -> None:
    values = np.append(np.arange(1, 1001), 100_000)
    proposals = proposed(x=values, y=-values)
    assert proposals["x"].reason == "median 501, 99 % below 991, highest 100,000"
    assert proposals["y"].reason == ("median -501, 98 % from -991 to -11, all from -100,000 to -1")


@pytest.mark.parametrize(
    ("name", "values", "length"),
    [
        ("hour", DRAW.uniform(0, 24, N), 24),
        ("hour_of_day", DRAW.uniform(0, 23.99, N), 24),
        ("minuteOfDay", DRAW.integers(0, 1440, N), 1440),
        ("shown_minute", DRAW.integers(0, 60, N), 60),
        ("Day of year", DRAW.integers(1, 367, N), 366),
        ("weekday", DRAW.uniform(1, 7, N), 7),
        ("month", DRAW.uniform(1, 13, N).clip(1, 12), 12),
        ("wind angle", DRAW.uniform(-180, 180, N), 360),
    ],
)
def test_a_number_named_like_a_cycle_that_fits_and_covers_it_is_one(
    name: str, values: np.ndarray, length: int
) -> None:
    (proposal,) = proposed(**{name: values}).values()
    assert proposal.transform == f"{{cycle: {length}}}"
    assert proposal.to_check == f"does it begin again after {length}?"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hour", DRAW.uniform(0, 30, N)),
        ("hour", DRAW.uniform(9, 17, N)),
        ("hour", DRAW.uniform(-12, 13, N)),
        ("hours", DRAW.uniform(0, 24, N)),
        ("hour_price", DRAW.uniform(0, 24, N)),
        ("minute", DRAW.uniform(0, 600, N)),
    ],
)
def test_a_number_whose_name_or_range_is_not_that_of_a_cycle_is_none(
    name: str, values: np.ndarray
) -> None:
    assert transform_of(name, values) == ""


def test_a_cycle_whose_inputs_would_have_the_name_of_a_column_is_none() -> None:
    columns = {"hour": DRAW.uniform(0, 24, N), "hour cos": DRAW.uniform(-1, 1, N)}
    assert proposed(**columns) == {}


def test_the_sample_is_bounded_and_from_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "MOST_ROWS", 2000)
    lazy = numbered(pl.DataFrame({"x": np.arange(100_000)}).lazy())
    sample = transforms._sample(lazy, facts_of(lazy))["c0"].to_numpy()
    assert 1900 < sample.size <= 2001
    assert np.bincount(sample // 10_000).tolist() == pytest.approx([200] * 10, abs=5)
    assert np.unique(sample % 7, return_counts=True)[1].min() > 2000 / 7 * 0.9


def test_missing_and_infinite_values_do_not_count() -> None:
    values = [None, float("nan"), float("inf"), -float("inf")] * 40
    assert transform_of("x", [*DRAW.normal(0, 1, N), *values]) == ""
    assert transform_of("x", [*DRAW.lognormal(4, 3, N), *values]) == "log"


def written(**columns: object) -> str:
    """The definition that is written for a table with these numbers."""
    tabs = pl.DataFrame({"tab": ["a", "b"] * (N // 2), "is_click": DRAW.integers(0, 2, N)})
    tabs.with_columns(pl.DataFrame(columns)).write_parquet("rows.parquet")
    write_draft(Path("rows.parquet"), None, force=False)
    return Path("data/rows.yaml").read_text()


def test_the_written_definition_has_the_transforms_and_passes_the_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = written(
        **{
            "price": DRAW.lognormal(4, 3, N).round(2),
            "balance: now": DRAW.standard_cauchy(N),
            "minute": DRAW.integers(0, 60, N),
            "age": pl.Series(DRAW.integers(18, 90, N)).cast(pl.String),
            "income": pl.Series(DRAW.lognormal(8, 3, N).round()).cast(pl.String),
        }
    )
    assert "    price: log   # median " in text
    assert '    "balance: now": quantile   # median ' in text
    assert "    minute: {cycle: 60}   # check: named like a cycle, 0 to 59; does it " in text
    assert "    - age   # 18 to 89, as text" in text
    study = load_study("rows")
    features = study.spec.data.features
    assert features.numeric == ("price", "balance: now", "minute", "age", "income")
    assert list(features.transforms) == ["price", "balance: now", "minute", "income"]
    data = prepare(study.spec.data, study.folder, tmp_path / "cache", lambda _: None)
    assert np.isfinite(data.train.numeric_RN).all()


def test_a_definition_without_proposals_has_no_transforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "transforms" not in written(height=DRAW.normal(170, 10, N))
