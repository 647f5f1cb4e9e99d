"""The synthetic source: measured rows have the properties that the options promise."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hinet_search.data import synthetic_labels
from hinet_search.data.cell_counts import auc
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.sources import synthetic
from hinet_search.data.sources.synthetic import Options, load

SMALL = {"rows": 20_000, "num_users": 400, "num_items": 100}


def rows(**options: Any) -> pl.DataFrame:
    return load(Options(**(SMALL | options)), Path(), Path()).collect()


def users_in_several(frame: pl.DataFrame) -> float:
    return float(
        (frame.group_by("user_id").agg(pl.col("scenario").n_unique())["scenario"] > 1).mean()
    )


def test_only_the_same_options_give_the_same_rows() -> None:
    assert rows(seed=3).equals(rows(seed=3))
    assert not rows(seed=3).equals(rows(seed=4))


def test_options_are_the_identity_and_new_ones_only_where_they_are_used() -> None:
    def identity(**options: Any) -> str:
        return synthetic.identity(Options(**options), Path(), FileHasher(Path(), print))

    changes: list[dict[str, Any]] = [{}, {"seed": 1}, {"signal": 2.0}, {"rows": 200}]
    assert len({identity(**change) for change in changes}) == len(changes)
    assert "preference_groups" not in identity()
    assert '[["home","push"]]' in identity(preference_groups=(("home", "push"),))
    assert "habit" not in identity()
    assert "habit" in identity(habit=0.5)


def test_scenarios_have_exactly_their_shares_of_the_rows() -> None:
    counts = dict(rows(scenarios={"a": 6, "b": 3, "c": 1}).group_by("scenario").len().rows())
    assert counts == {"a": 12_000, "b": 6_000, "c": 2_000}


@settings(max_examples=15)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "signal": st.floats(0, 5),
            "id_effects": st.floats(0, 1),
            "seed": st.integers(0, 9),
        },
    ),
    st.floats(0.05, 0.6),
    st.floats(0.1, 0.9),
)
def test_true_rates_are_the_rates_asked_for_in_every_scenario(
    options: dict[str, Any], click: float, share: float
) -> None:
    frame = rows(rows=2_000, tasks={"click": click, "buy": click * share}, **options)
    means = frame.group_by("scenario").agg(pl.col("truth_click", "truth_buy").mean())
    assert means["truth_click"].to_numpy() == pytest.approx(click, abs=1e-4)
    assert means["truth_buy"].to_numpy() == pytest.approx(click * share, abs=1e-4)


def test_a_later_task_is_one_only_where_the_earlier_is() -> None:
    frame = rows(tasks={"view": 0.5, "click": 0.3, "buy": 0.2})
    assert frame.filter(
        (pl.col("buy") > pl.col("click")) | (pl.col("click") > pl.col("view"))
    ).is_empty()
    assert frame.filter(pl.col("truth_buy") > pl.col("truth_click")).is_empty()


def test_labels_are_drawn_with_their_true_probabilities() -> None:
    frame = rows(rows=100_000)
    for task in ("click", "buy"):
        grouped = frame.group_by((pl.col(f"truth_{task}") * 5).floor().alias("fifth")).agg(
            pl.col(task).mean(), pl.col(f"truth_{task}").mean(), pl.len()
        )
        spread = 4 * np.sqrt(0.25 / grouped["len"].to_numpy())
        assert (
            np.abs(grouped[task].to_numpy() - grouped[f"truth_{task}"].to_numpy()) < spread
        ).all()


def test_more_signal_makes_the_best_auc_higher() -> None:
    areas = [
        auc(frame["truth_click"].to_numpy(), frame["click"].to_numpy())
        for frame in (rows(signal=s) for s in (0.5, 1.5, 4.0))
    ]
    assert areas[0] + 0.1 < areas[1] < areas[2] - 0.05


@pytest.mark.parametrize("id_effects", [0.0, 0.5])
def test_equal_attributes_have_equal_truths_unless_ids_have_effects(id_effects: float) -> None:
    frame = rows(id_effects=id_effects, num_numeric=0)
    attributes = ["scenario", *(name for name in frame.columns if "attribute" in name)]
    truth = pl.col("truth_click")
    spread = frame.group_by(attributes).agg(spread=truth.max() - truth.min())["spread"]
    if id_effects:
        assert spread.mean() > 0.1
    else:
        assert spread.max() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
def test_the_share_of_users_in_several_scenarios_is_the_overlap(overlap: float) -> None:
    frame = rows(rows=60_000, user_overlap=overlap, zipf=0.3, scenarios={"a": 2, "b": 1, "c": 1})
    assert users_in_several(frame) == pytest.approx(overlap, abs=0.03)


def test_weights_of_two_scenarios_or_tasks_have_exactly_the_cosine_asked_for() -> None:
    options = Options(preference_correlation=0.3, task_correlation=0.8)
    weights_MTP = synthetic._weights(options, 40, np.random.default_rng(0))
    assert weights_MTP[0, 0] @ weights_MTP[1, 0] == pytest.approx(0.3)
    assert weights_MTP[0, 0] @ weights_MTP[0, 1] == pytest.approx(0.8)


def test_popular_items_follow_the_power_law() -> None:
    counts = rows(rows=100_000, zipf=1.0)["item_id"].value_counts(sort=True)["count"].to_numpy()
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tasks": {"click": 0.2, "buy": 0.3}}, "rates must fall along the funnel"),
        ({"tasks": {"click": {"home": 0.2}}}, "have a rate in every scenario, got none in search"),
        ({"tasks": {"click": {"hom": 0.2}}}, "rates of scenarios, got .hom.; did you mean"),
        (
            {"user_attributes": (), "item_attributes": (), "num_numeric": 0},
            "id_effects below 1 needs",
        ),
        ({"rows_per_user": 3}, "rows_per_user"),
        ({"scenarios": {"home": 1.0, "push": 1e-9}}, "scenarios.push must have a row"),
    ],
)
def test_options_that_contradict_themselves_are_refused(
    options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        Options(**options)


def test_a_number_of_scenarios_makes_them_of_equal_shares_with_names_in_order() -> None:
    frame = rows(scenarios=12, rows=2400)
    counts = dict(frame.group_by("scenario").len().rows())
    assert sorted(counts) == [f"scenario {number:02}" for number in range(1, 13)]
    assert set(counts.values()) == {200}


def cosines(**options: Any) -> np.ndarray[Any, Any]:
    """Of the preferences of every pair of scenarios, by attributes, for the first task."""
    made = Options(**(SMALL | options))
    weights_MP = synthetic._world(made, np.random.default_rng(0)).attribute_weights_MTP[:, 0]
    return weights_MP @ weights_MP.T


def test_groups_have_the_correlation_inside_and_nothing_in_common_with_others() -> None:
    grouped = cosines(
        scenarios=6,
        preference_groups=[["scenario 5", "scenario 1"], ["scenario 2", "scenario 3"]],
        preference_correlation=0.6,
    )
    expected = np.eye(6)
    for left, right in ((0, 4), (1, 2)):
        expected[left, right] = expected[right, left] = 0.6
    assert np.allclose(grouped, expected, atol=1e-9)


def test_without_groups_all_scenarios_are_one_group() -> None:
    everyone = [["home", "search", "push"]]
    assert np.array_equal(cosines(), cosines(preference_groups=everyone))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"scenarios": 0}, "must be at least 1 and at most 1000, got 0"),
        ({"scenarios": True}, "scenarios"),
        ({"preference_groups": [["home", "serch"]]}, "got 'serch'; did you mean 'search'?"),
        ({"preference_groups": [["home"], ["home", "push"]]}, "once, got 'home' twice"),
    ],
)
def test_wrong_scenarios_and_groups_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options(**options)
    assert problem in str(caught.value)


def of_users(**options: Any) -> pl.DataFrame:
    """Rows in visits, in the order of users and time, with the rows of the visit before them."""
    frame = rows(habit=1.5, **options).sort("user_id", "time")
    same = pl.col("user_id") == pl.col("user_id").shift(1)
    passed = pl.col("time") - pl.col("time").shift(1)
    goes_on = (same & (passed > 0) & (passed <= synthetic_labels.GAP_SECONDS)).fill_null(
        value=False
    )
    return frame.with_columns(goes_on=goes_on, before=pl.col("click").shift(1))


def test_with_a_habit_rows_come_in_visits_in_the_order_of_time() -> None:
    assert rows(habit=1.0)["time"].is_sorted()
    share = of_users()["goes_on"].mean()
    assert isinstance(share, float)
    assert 0.7 < share < 0.85  # four of the five rows of a visit


def test_who_has_just_clicked_clicks_again_and_only_the_last_row_tells() -> None:
    frame = of_users(id_effects=0.0).filter("goes_on")
    clicked, not_clicked = (
        float(frame.filter(pl.col("before") == before)["click"].mean())  # type: ignore[arg-type]
        for before in (1, 0)
    )
    assert clicked > not_clicked + 0.3
    worth = auc(frame["click"].to_numpy(), frame["before"].to_numpy().astype(np.float64))
    assert worth is not None
    assert worth > 0.6


def test_a_click_of_an_earlier_visit_tells_nothing() -> None:
    frame = of_users(id_effects=0.0, user_attributes=())
    frame = frame.filter(pl.col("user_id") == pl.col("user_id").shift(1), ~pl.col("goes_on"))
    worth = auc(frame["click"].to_numpy(), frame["before"].to_numpy().astype(np.float64))
    assert worth == pytest.approx(0.5, abs=0.03)


def test_true_probabilities_hold_with_a_habit_and_rates_nearly() -> None:
    frame = of_users(tasks={"click": 0.25, "buy": 0.06})
    for task, rate in (("click", 0.25), ("buy", 0.06)):
        assert frame[task].mean() == pytest.approx(rate, rel=0.2)
        groups = frame.with_columns(group=(10 * pl.col(f"truth_{task}")).floor())
        means = groups.group_by("group").agg(
            pl.col(task).mean().alias("found"), pl.col(f"truth_{task}").mean(), pl.len()
        )
        for _, found, truth, count in means.iter_rows():
            error = (max(truth * (1 - truth), 1e-3) / count) ** 0.5
            assert abs(found - truth) < 5 * error
    assert (frame["buy"] <= frame["click"]).all()


def test_scenarios_without_a_task_have_no_label_of_it_in_visits_either() -> None:
    tasks = {"click": {"home": 0.25, "search": 0.25}, "buy": {"home": 0.06, "push": 0.06}}
    frame = rows(habit=1.0, tasks=tasks)
    for column in ("click", "truth_click"):
        assert (frame[column].is_null() == (frame["scenario"] == "push")).all()
    for column in ("buy", "truth_buy"):
        assert (frame[column].is_null() == (frame["scenario"] == "search")).all()
