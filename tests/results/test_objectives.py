"""An objective is one number of all cells, by hand-made cells."""

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.objectives import cell_names, names, objective_named
from hinet_search.results.records import CellValue

BIG = CellValue(
    "home",
    "click",
    rows=900,
    positives=90,
    auc=0.8,
    logloss=0.3,
    gauc=0.6,
    ece=0.02,
    further={
        "pr_auc": 0.5,
        "pooled_auc": 0.7,
        "ndcg@10": 0.4,
        "ndcg@3": 0.2,
        "rank_auc": 0.7,
        "mrr": 0.1,
        "hit@10": 0.6,
    },
)
SMALL = CellValue(
    "push",
    "click",
    rows=100,
    positives=10,
    auc=0.6,
    logloss=0.5,
    gauc=0.7,
    ece=0.04,
    further={
        "pr_auc": 0.3,
        "pooled_auc": 0.7,
        "ndcg@10": 0.8,
        "ndcg@3": 0.1,
        "rank_auc": 0.5,
        "mrr": 0.3,
        "hit@10": 0.9,
    },
)
ONE_CLASS = CellValue(
    "push", "order", rows=1000, positives=0, auc=None, logloss=0.1, reason="no positive row"
)
WATCH = CellValue(
    "home", "watch", rows=10, positives=6, auc=0.7, logloss=0.9, ece=0.1, rmse=41.5, mae=22.25
)
SLASH = CellValue("a/b", "click", rows=10, positives=5, auc=0.9, logloss=0.2)

VALUES = {
    "macro_auc": (0.8 + 0.6) / 2,
    "weighted_auc": (0.8 * 900 + 0.6 * 100) / 1000,
    "mean_auc": ((0.8 + 0.6) / 2 + (0.8 * 900 + 0.6 * 100) / 1000) / 2,
    "worst_auc": 0.6,
    "logloss": (0.3 * 900 + 0.5 * 100 + 0.1 * 1000) / 2000,
    "gauc": 0.9 * 0.6 + 0.1 * 0.7,
    "ece": (0.02 + 0.04) / 2,
    "pr_auc": 0.9 * 0.5 + 0.1 * 0.3,
    "pooled_auc": 0.9 * 0.7 + 0.1 * 0.7,
    "ndcg@10": 0.9 * 0.4 + 0.1 * 0.8,
    "ndcg@3": 0.9 * 0.2 + 0.1 * 0.1,
    "rank_auc": 0.9 * 0.7 + 0.1 * 0.5,
    "mrr": 0.9 * 0.1 + 0.1 * 0.3,
    "hit@10": 0.9 * 0.6 + 0.1 * 0.9,
    "auc[home/click]": 0.8,
    "auc[push/click]": 0.6,
    "logloss[push/order]": 0.1,
    "auc[a/b/click]": 0.9,
    "rmse[home/watch]": 41.5,
    "mae[home/watch]": 22.25,
    "auc[home/watch]": 0.7,
}
SMALLER_IS_BETTER = {
    "logloss",
    "ece",
    "logloss[push/order]",
    "rmse[home/watch]",
    "mae[home/watch]",
}


def test_every_named_objective_has_a_value_here() -> None:
    assert set(names()) <= set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_an_objective_of_cells_worked_out_by_hand(name: str) -> None:
    extra = [cell for cell in (SLASH, WATCH) if f"{cell.scenario}/{cell.task}" in name]
    cells = [BIG, SMALL, ONE_CLASS, *extra]
    assert objective_named(name)(cells) == pytest.approx(VALUES[name], rel=1e-12)


@pytest.mark.parametrize("name", VALUES)
def test_losses_and_calibration_errors_are_minimised_and_all_else_is_maximised(name: str) -> None:
    objective = objective_named(name)
    assert objective.maximize == (name not in SMALLER_IS_BETTER)
    assert objective.better(2.0, 1.0) == objective.maximize
    assert objective.better(1.0, 2.0) != objective.maximize
    assert not objective.better(1.0, 1.0)


def test_a_cell_of_amounts_counts_in_a_mean_with_its_auc() -> None:
    assert objective_named("macro_auc")([BIG, WATCH]) == pytest.approx((0.8 + 0.7) / 2)


def test_a_cell_of_0_and_1_has_no_error_of_amounts() -> None:
    with pytest.raises(ConfigurationError, match=r"rmse\[home/click\] has no value"):
        objective_named("rmse[home/click]")([BIG])


@pytest.mark.parametrize(
    "name", ["macro_auc", "weighted_auc", "mean_auc", "worst_auc", "gauc", "ece"]
)
def test_cells_that_have_no_value_give_the_objective_none(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match="has no value: no cell of the split has labels that differ"
    ):
        objective_named(name)([ONE_CLASS])


def test_one_cell_without_a_value_gives_its_objective_none() -> None:
    with pytest.raises(ConfigurationError, match=r"auc\[push/order\] has no value"):
        objective_named("auc[push/order]")([BIG, ONE_CLASS])


def test_a_cell_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"objective auc\[moon/click\]: there is no cell moon/click"
    ):
        objective_named("auc[moon/click]")([BIG])


def test_an_objective_of_one_cell_names_it() -> None:
    assert objective_named("logloss[a/b/click]").cell == ("a/b", "click")


@pytest.mark.parametrize(
    "name", ["", "auc", "auc[home]", "gauc[home/click]", "auc[/click]", "auc[home/]", "MEAN_AUC"]
)
def test_what_names_no_objective_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not known"):
        objective_named(name)


def test_an_unknown_objective_gets_all_names_and_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        objective_named("macro_acu")
    assert str(caught.value) == (
        f"objective 'macro_acu' is not known, must be one of {', '.join([*names(), *cell_names()])}; "
        "did you mean 'macro_auc'?"
    )


@pytest.mark.parametrize(
    ("name", "margin"), [("rmse[home/watch]", 0.035), ("mae[home/watch]", 0.035), ("gauc", 0.002)]
)
def test_only_of_errors_of_amounts_a_margin_is_a_share_of_the_value(
    name: str, margin: float
) -> None:
    assert objective_named(name).margin_at(0.002, 17.5) == pytest.approx(margin)
