"""Proposed crosses: `data init` names pairs that add to both fields alone, and hardly ever noise."""

from collections.abc import Callable
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from hinet_search.data.guess.column_facts import facts_of, numbered
from hinet_search.data.guess.column_roles import guess_roles
from hinet_search.data.guess.pair_gains import SMOOTHING, Codes, JudgedRows, additive_rates
from hinet_search.data.guess.proposed_crosses import ProposedCross, propose_crosses
from hinet_search.data.guess.split_columns import with_split_codes
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

NUM_TABLES = 100  # of noise, of each kind
Draw = np.random.Generator


def rate(logit_R: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logit_R))


def fields(draw: Draw, num_rows: int, sizes: tuple[int, ...]) -> dict[str, NDArray[np.int64]]:
    return {f"field{place}": draw.integers(0, size, num_rows) for place, size in enumerate(sizes)}


def frame_of(draw: Draw, codes: dict[str, Any], logit_R: NDArray[np.float64]) -> pl.DataFrame:
    """The table of these codes, as texts where they are no ids, with a label of these logits."""
    columns = {
        name: code_R if name.endswith("_id") else np.char.add("v", code_R.astype(str))
        for name, code_R in codes.items()
    }
    label_R = (draw.random(logit_R.size) < rate(logit_R)).astype(np.int64)
    scene_R = draw.choice(["a", "b"], logit_R.size)
    return pl.DataFrame({**columns, "is_click": label_R, "scene": scene_R})


def additive(seed: int) -> pl.DataFrame:
    """Fields whose effects add up in logits."""
    draw = np.random.default_rng(seed)
    codes = fields(draw, 3000, (3, 5, 8, 12, 20))
    effects = [draw.normal(0, 0.5, 20)[code_R] for code_R in codes.values()]
    return frame_of(draw, codes, -1 + np.sum(effects, axis=0))


def rare(seed: int) -> pl.DataFrame:
    """Fields that say nothing of a label of 4 % of the rows."""
    draw = np.random.default_rng(seed)
    codes = fields(draw, 4000, (3, 5, 8, 12, 20))
    return frame_of(draw, codes, np.full(4000, -3.2))


def of_users_and_items(seed: int) -> pl.DataFrame:
    """Attributes that say nothing, of users and items that differ; hours that go with a day."""
    draw = np.random.default_rng(seed)
    user_R = draw.integers(0, 200, 4000)
    item_R = (draw.random(4000) ** 2 * 120).astype(np.int64)
    hour_R = draw.integers(0, 24, 4000)
    codes = {"user_id": user_R, "item_id": item_R, "daytime": hour_R}
    codes["near"] = (hour_R + draw.integers(-1, 2, 4000)).clip(0, 23)
    for size in (2, 4, 9):
        codes[f"of_user{size}"] = draw.integers(0, size, 200)[user_R]
        codes[f"of_item{size}"] = draw.integers(0, size, 120)[item_R]
    logit_R = draw.normal(0, 1, 200)[user_R] + draw.normal(0, 1, 120)[item_R]
    return frame_of(draw, codes, logit_R - 2 + 0.1 * hour_R)


def planted(seed: int, num_rows: int = 4000, strength: float = 1.0) -> pl.DataFrame:
    """A label that depends on whether two fields are both even or both odd, and on nothing else."""
    draw = np.random.default_rng(seed)
    codes = fields(draw, num_rows, (6, 4, 8, 12, 20))
    is_even_R = (codes["field0"] + codes["field1"]) % 2 == 0
    return frame_of(draw, codes, np.where(is_even_R, strength, -strength))


def proposed(frame: pl.DataFrame) -> tuple[ProposedCross, ...]:
    """The proposals for a table with a random split."""
    lazy = frame.lazy()
    roles = guess_roles(facts_of(lazy))
    tasks = {role.column.name: role.column for role in roles.tasks}
    split = with_split_codes(numbered(lazy), None, None, None)
    return propose_crosses(split, roles, tasks, frame.columns)


@pytest.mark.parametrize("noise", [additive, rare, of_users_and_items])
def test_noise_proposes_a_cross_in_at_most_a_twentieth_of_tables(
    noise: Callable[[int], pl.DataFrame],
) -> None:
    false = [seed for seed in range(NUM_TABLES) if proposed(noise(seed))]
    assert len(false) <= 0.05 * NUM_TABLES, false


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_pair_is_proposed_first(seed: int) -> None:
    (first, *others) = proposed(planted(seed))
    assert (first.columns, first.task, others) == (("field0", "field1"), "is_click", [])
    best = log(2) + rate(np.float64(1)) * log(rate(np.float64(1)))
    best += rate(np.float64(-1)) * log(rate(np.float64(-1)))
    assert first.gain.gain == pytest.approx(best, abs=0.02)


def test_a_pair_is_found_by_training_rows_alone() -> None:
    draw = np.random.default_rng(0)
    codes = fields(draw, 4000, (6, 4))
    is_even_R = (codes["field0"] + codes["field1"]) % 2 == 0
    frame = frame_of(draw, codes, np.where(is_even_R, 2.0, -2.0))
    lazy = numbered(frame.lazy())
    roles = guess_roles(facts_of(frame.lazy()))
    tasks = {role.column.name: role.column for role in roles.tasks}
    no_train = with_split_codes(lazy, None, None, None).with_columns(
        pl.lit(1, pl.UInt8).alias("split code")
    )
    assert propose_crosses(no_train, roles, tasks, frame.columns) == ()


def test_a_pair_whose_name_a_column_has_or_polars_takes_for_a_pattern_is_not_proposed() -> None:
    named = planted(0).with_columns(pl.col("field3").alias("field0 x field1"))
    pattern = planted(0).rename({"field0": "^field0", "field1": "field1$"})
    for frame in (named, pattern):
        assert proposed(frame) == ()


def test_a_label_with_few_rows_of_a_class_proposes_nothing() -> None:
    frame = planted(0)
    few = frame.filter((pl.col("is_click") == 0) | (pl.col("is_click").cum_sum() <= 120))
    assert proposed(few) == ()
    enough = frame.filter((pl.col("is_click") == 0) | (pl.col("is_click").cum_sum() <= 400))
    assert len(proposed(enough)) == 1


def test_rows_with_a_missing_value_gain_nothing() -> None:
    frame = planted(1).with_columns(
        field0=pl.when(pl.int_range(pl.len()) % 2 == 0).then("field0"),
    )
    half, whole = proposed(frame)[0].gain.gain, proposed(planted(1))[0].gain.gain
    assert half == pytest.approx(whole / 2, rel=0.25)


def test_a_definition_has_the_pairs_that_are_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planted(2).write_parquet("rows.parquet")
    write_draft("rows.parquet", None, force=False)
    path = Path("data/rows.yaml")
    assert read(path).parse(DataDefinition).features.crosses == (("field0", "field1"),)
    assert "    - [field0, field1]   # adds 0.1" in path.read_text()
    additive(0).write_parquet("rows.parquet")
    write_draft("rows.parquet", None, force=True)
    assert "crosses" not in path.read_text()


def test_additive_rates_have_the_sums_of_every_value() -> None:
    draw = np.random.default_rng(3)
    rows_HAB = draw.integers(0, 40, (2, 5, 4)).astype(float)
    ones_HAB = draw.binomial(rows_HAB.astype(int), 0.3).astype(float)
    fitted_HAB = rows_HAB * additive_rates(rows_HAB, ones_HAB)
    for axis in (1, 2):
        np.testing.assert_allclose(fitted_HAB.sum(axis=axis), ones_HAB.sum(axis=axis), atol=0.1)
    logit_HAB = np.log(fitted_HAB / (rows_HAB - fitted_HAB))
    interaction = logit_HAB[:, 1:, 1:] - logit_HAB[:, :1, 1:] - logit_HAB[:, 1:, :1]
    known = rows_HAB > 0
    complete = known[:, 1:, 1:] & known[:, :1, 1:] & known[:, 1:, :1] & known[:, :1, :1]
    np.testing.assert_allclose((interaction + logit_HAB[:, :1, :1])[complete], 0, atol=1e-8)


def gains_of_rows(
    first_R: Codes, second_R: Codes, label_R: NDArray[np.bool_], half_R: Codes
) -> list[float]:
    """What every row gains by the rates of the other half, by a plain loop."""
    gains = []
    for row in range(label_R.size):
        cell = (0, first_R[row], second_R[row])
        if first_R[row] == 0:
            gains.append(0.0)
            continue
        rows_HAB, ones_HAB = np.zeros((1, 4, 4)), np.zeros((1, 4, 4))
        for other in range(label_R.size):
            if half_R[other] != half_R[row] and first_R[other] > 0:
                rows_HAB[0, first_R[other], second_R[other]] += 1
                ones_HAB[0, first_R[other], second_R[other]] += label_R[other]
        alone = additive_rates(rows_HAB, ones_HAB)[cell]
        together = (ones_HAB[cell] + SMOOTHING * alone) / (rows_HAB[cell] + SMOOTHING)
        of_one, of_zero = log(together / alone), log((1 - together) / (1 - alone))
        gains.append(of_one if label_R[row] else of_zero)
    return gains


def test_a_gain_is_the_log_loss_of_one_half_by_the_rates_of_the_other() -> None:
    draw = np.random.default_rng(4)
    first_R, second_R = draw.integers(0, 4, 300), draw.integers(1, 4, 300)
    unit_R = draw.integers(0, 60, 300)
    half_R = unit_R % 2
    label_R = ((first_R + second_R) % 2 == 0) ^ (draw.random(300) < 0.2)
    got = JudgedRows(label_R, unit_R, half_R).gain(first_R, second_R, 1)
    gains = gains_of_rows(first_R, second_R, label_R, half_R)
    assert got is not None
    assert got.gain == pytest.approx(np.mean(gains), abs=1e-4)
    assert got.gain > 0.03
    residuals = dict.fromkeys(unit_R.tolist(), 0.0)
    for unit, gain in zip(unit_R.tolist(), gains, strict=True):
        residuals[unit] += gain - np.mean(gains)
    error = sqrt(sum(residual**2 for residual in residuals.values())) / 300
    assert got.error == pytest.approx(error, rel=1e-3)


def test_pairs_with_too_few_rows_have_no_gain() -> None:
    code_R = np.arange(400) % 20 + 1
    rows = JudgedRows(code_R > 9, np.arange(400), np.arange(400) % 2)
    assert rows.gain(code_R, code_R, 20.0) is not None
    assert rows.gain(code_R, code_R, 20.1) is None
