"""Description of data: its numbers, its leak suspects and its text."""

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop

from hinet_search.data.hashing import uniform
from hinet_search.data.inspect.describe import Description, describe
from hinet_search.data.inspect.leaks import AFTERWARDS, out_of_fold_rates
from hinet_search.data.inspect.text import percent, render
from hinet_search.study.yaml_file import read


def described(frame: pl.DataFrame, folder: Path, **changes: Any) -> Description:
    return describe(definition(**changes), prepared(frame, folder, **changes), folder)


def test_distinct_values_and_missing_rows_are_those_of_the_source(tmp_path: Path) -> None:
    frame = shop().with_columns(
        pl.when(pl.col("minute") < 10).then(None).otherwise("item").alias("item")
    )
    facts = {column.name: column for column in described(frame, tmp_path).categorical}
    assert (facts["item"].num_values, facts["item"].missing) == (4, 10)
    assert (facts["user"].num_values, facts["user"].missing) == (40, 0)


def test_not_finite_numbers_count_as_missing(tmp_path: Path) -> None:
    frame = shop().with_columns(
        pl.when(pl.col("minute") < 10).then(float("inf")).otherwise("price").alias("price")
    )
    facts = described(frame, tmp_path, not_finite="impute").numeric[0]
    assert facts.missing == 10
    assert facts.high == frame["price"][10:].max()


def test_unseen_shares_are_per_split_and_leave_missing_values_out(tmp_path: Path) -> None:
    new = pl.when(pl.col("minute") >= 582).then(pl.lit("new"))
    frame = shop().with_columns(
        new.when(pl.col("minute") >= 570).then(None).otherwise("item").alias("item")
    )
    facts = described(frame, tmp_path).categorical[1]
    assert (facts.unseen_valid, facts.unseen_test) == (0.0, 0.2)


@pytest.mark.parametrize(("time", "ends"), [("minute", ("0", "599")), (None, None)])
def test_the_times_are_the_first_and_the_last_of_all_rows(
    time: str | None, ends: tuple[str, str] | None, tmp_path: Path
) -> None:
    description = described(shop(), tmp_path, time=time)
    assert description.time == ends
    assert ("time 0 to 599" in render(description)) == (time is not None)


LEAKS: dict[str, tuple[pl.Expr, dict[str, Any]]] = {
    "a number": (pl.col("click") * -5.0 + pl.col("price") / 1000, {"numeric": ["leak"]}),
    "a category": (pl.format("{}-{}", "click", "item"), {"categorical": ["leak"]}),
    "a missing flag": (
        pl.when(pl.col("click") == 0).then(pl.col("price")),
        {"numeric": ["price", "leak"]},
    ),
    "a list that reaches past its row": (
        pl.when(pl.col("click") == 1).then(pl.concat_list("item")).otherwise([]),
        {"categorical": ["item"], "lists": {"leak": {"column": "leak", "item": "item"}}},
    ),
    "the length of a list": (
        pl.when(pl.col("click") == 1).then(pl.lit("a|b")).otherwise(pl.lit("a")),
        {"categorical": ["item"], "lists": {"leak": {"column": "leak", "separator": "|"}}},
    ),
}


@pytest.mark.parametrize(("leak", "features"), LEAKS.values(), ids=LEAKS)
def test_an_input_that_reveals_the_label_is_a_suspect(
    leak: pl.Expr, features: dict[str, Any], tmp_path: Path
) -> None:
    leaks = described(shop().with_columns(leak=leak), tmp_path, features=features).leaks
    (suspect,) = [each for each in leaks if each.feature.startswith("leak")]
    assert (suspect.feature.removesuffix("_missing"), suspect.task) == ("leak", "click")


def test_a_statistic_that_reveals_the_label_is_a_suspect(tmp_path: Path) -> None:
    features = {"categorical": ["item"], "statistics": {"by": ["secret"]}}
    frame = shop().with_columns(secret=pl.format("{}", "click"))
    leaks = described(frame, tmp_path, features=features).leaks
    assert ("secret click rate", "click") in [(leak.feature, leak.task) for leak in leaks]


def test_ids_that_occur_once_are_no_suspects(tmp_path: Path) -> None:
    features = {"categorical": ["once"], "numeric": ["price"]}
    frame = shop().with_columns(pl.col("minute").alias("once"))
    assert described(frame, tmp_path, features=features).leaks == ()


def test_an_out_of_fold_rate_is_the_smoothed_rate_of_the_other_half() -> None:
    generator = np.random.default_rng(0)
    ids_R = generator.integers(0, 5, 200).astype(np.int32)
    labels_R = generator.integers(0, 2, 200).astype(np.uint8)
    half_R = uniform(np.arange(200, dtype=np.uint64), seed=0) < 0.5
    expected = []
    for row in range(200):
        others = labels_R[half_R != half_R[row]]
        same = labels_R[(half_R != half_R[row]) & (ids_R == ids_R[row])]
        expected.append((same.sum() + 10 * others.mean()) / (len(same) + 10))
    assert out_of_fold_rates(ids_R, labels_R) == pytest.approx(np.array(expected))


def test_the_text_shows_every_scenario_with_rows_rates_and_test_positives(tmp_path: Path) -> None:
    text = render(described(shop(), tmp_path))
    frame = shop().filter(pl.col("place") == "push")
    test = frame.filter(pl.col("part") == "test")
    (line,) = [line for line in text.splitlines() if line.startswith("push") and "/" in line]
    assert f" {len(frame)} " in line
    assert percent(frame["click"].mean()) in line
    assert line.endswith(f"{test['click'].sum()} / {test['buy'].sum()} !")


def test_a_suspect_is_shown_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    features = {"categorical": ["leak"], "numeric": ["price"]}
    frame = shop().with_columns(pl.col("click").alias("leak"))
    described_rows = described(frame, tmp_path, features=features)
    text = " ".join(
        render(described_rows, placed=lambda problem: f"shop.yaml:7: {problem}").split()
    )
    assert (
        "!! shop.yaml:7: data.features.categorical: leak alone has AUC 1.000 for click on train; "
        f"{AFTERWARDS}, else leave it (an AUC above 0.95 is always shown)"
    ) in text


@pytest.mark.parametrize("num_scenarios", [1, 3, 20])
def test_no_line_is_wider_than_a_terminal_of_a_hundred_columns(
    num_scenarios: int, tmp_path: Path
) -> None:
    names = [f"a scenario with a very long name, number {n}" for n in range(num_scenarios)]
    frame = shop(num_rows=6000).with_columns(pl.Series("place", np.resize(names, 6000)))
    assert (
        max(len(line) for line in render(described(frame, tmp_path), width=100).splitlines()) <= 100
    )


def test_elsewhere_a_long_name_is_neither_cut_nor_wrapped(tmp_path: Path) -> None:
    name = "a scenario with a very long name " * 4
    frame = shop().with_columns(pl.col("place").replace("push", name.strip()))
    lines = render(described(frame, tmp_path)).splitlines()
    assert len([line for line in lines if line.startswith(f"{name.strip()}  ")]) == 1


def test_the_text_ends_with_keys_of_a_study_that_can_be_pasted(tmp_path: Path) -> None:
    description = described(shop(), tmp_path)
    keys = render(description).split("#start-from-your-rows):\n")[1]
    study = tmp_path / "pasted.yaml"
    study.write_text(textwrap.dedent(keys))
    pasted = read(study).tree
    assert pasted["parameters"] == json.loads(json.dumps(description.settings.parameters))
    assert pasted["fixed"] == description.settings.fixed
    assert pasted["epochs"] == description.settings.epochs


def test_amounts_are_shown_by_their_mean(tmp_path: Path) -> None:
    tasks = {"click": {"column": "click"}, "spent": {"column": "spent", "kind": "amount"}}
    frame = shop().with_columns(spent=pl.when(pl.col("click") == 1).then(12.5).otherwise(0.0))
    description = described(frame, tmp_path, tasks=tasks)
    assert f"spent mean {12.5 * frame['click'].mean():.4g}" in render(description)
    home = frame.filter(pl.col("place") == "home")
    lines = render(description).splitlines()
    header = next(line for line in lines if line.startswith("scenario"))
    assert header.split()[-6:] == ["mean", "spent", "test", "rows", "above", "0"]
    row = next(line for line in lines if line.startswith("home "))
    assert f" {12.5 * home['click'].mean():.4g} " in row
