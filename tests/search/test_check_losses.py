"""What a study says of losses, weights and the order of rows is checked against its data before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_study
from hinet_search.search.plan.plan_warnings import few_pairs, pairs_in_random_batch
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import load_study
from tests.small import STUDY, write_study

ARMS = "arms: {shared_bottom: , mmoe: }\n"
ONE_ARM = STUDY.replace(ARMS, "arms: {mmoe: }\nreference: mmoe\n")
FIXED = ONE_ARM.count("\n") + 1  # the line of the key `fixed`
WITHOUT_USERS = ONE_ARM.replace("  user: user_id\n", "")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(fixed: str, text: str = ONE_ARM) -> str:
    """The one problem of a study that fixes these values."""
    Path("s.yaml").write_text(f"{text}fixed: {{{fixed}}}\n")
    with pytest.raises(ConfigurationError) as caught:
        try_study(load_study("s.yaml"))
    (problem,) = caught.value.problems
    return problem


def ready(fixed: str, text: str = ONE_ARM) -> PreparedStudy:
    path = write_study(Path(), f"{text}fixed: {{{fixed}}}\n")
    return api.ready(str(path), LaunchOptions(output=Path("out")))


def test_a_weight_of_a_task_that_the_data_do_not_have_is_refused_with_the_nearest() -> None:
    assert refusal("train.task_weights.clik: 2.0") == (
        f"s.yaml:{FIXED}:9: train.task_weights.clik must end with one of click, order, got 'clik'; "
        "did you mean 'click'?"
    )


def test_so_is_one_of_a_scenario_once_the_data_are_encoded() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ready("train.scenario_weights.hom: 2.0")
    (problem,) = caught.value.problems
    assert problem.endswith(
        "train.scenario_weights.hom must end with one of home, push, search, got 'hom'; "
        "did you mean 'home'?"
    )


def test_a_weight_must_be_a_positive_number_of_moderate_size() -> None:
    said = refusal("train.task_weights.click: 0.0")
    assert said == (
        f"s.yaml:{FIXED}:9: train.task_weights.click: must be greater than or equal to 0.001, got 0.0"
    )


def test_a_loss_that_is_none_is_refused_with_the_nearest() -> None:
    assert "loss 'cros_entropy' is not known, must be one of cross_entropy, pairs_within_users" in (
        refusal("train.loss: cros_entropy")
    )
    assert refusal("train.loss: cros_entropy").endswith("did you mean 'cross_entropy'?")


@pytest.mark.parametrize("setting", ["train.shuffle: users", "train.loss: pairs_within_users"])
def test_what_needs_users_is_refused_where_the_data_name_none(setting: str) -> None:
    name, value = setting.split(": ")
    line = WITHOUT_USERS.count("\n") + 1
    assert refusal(setting, WITHOUT_USERS) == (
        f"s.yaml:{line}:9: {name} {value} needs the key 'user' of the data, got none"
    )


def test_a_searched_order_of_users_is_refused_too() -> None:
    Path("orders.yaml").write_text(
        "parameters:\n  train.shuffle: {kind: categorical, choices: [rows, users], default: rows}\n"
    )
    text = WITHOUT_USERS.replace("{mmoe: }", "{mmoe: {space: orders}}")
    assert refusal("train.patience: 2", text).startswith("orders.yaml:2:3: train.shuffle users")


def test_a_weight_of_pairs_needs_a_loss_of_pairs() -> None:
    assert refusal("train.ranking_weight: 2.0").endswith(
        "train.ranking_weight needs a train.loss of pairs, such as pairs_within_users, "
        "got cross_entropy"
    )


def test_a_weight_of_pairs_that_is_searched_under_a_condition_needs_none() -> None:
    weight = (
        "{kind: float, low: 0.1, high: 1.0, default: 0.5, when: {train.loss: [pairs_within_users]}}"
    )
    Path("weights.yaml").write_text(
        "parameters:\n"
        "  train.loss: {kind: categorical, choices: [pairs_within_users, cross_entropy], default: cross_entropy}\n"
        f"  train.ranking_weight: {weight}\n"
    )
    text = ONE_ARM.replace("{mmoe: }", "{mmoe: {space: weights}}")
    Path("s.yaml").write_text(f"{text}fixed: {{train.loss: cross_entropy}}\n")
    (arm,) = try_study(load_study("s.yaml")).arms
    assert "train.ranking_weight" not in arm.space.default()


def test_random_batches_with_few_pairs_of_a_user_are_told_with_their_number() -> None:
    (warning,) = few_pairs(ready("train.loss: pairs_within_users, train.batch_size: 64"))
    assert warning.startswith("arm mmoe: a batch of 64 random rows has about ")
    assert warning.endswith("too few for pairs_within_users; fix train.shuffle: users")


@pytest.mark.parametrize(
    "fixed",
    [
        "train.loss: pairs_within_users, train.batch_size: 64, train.shuffle: users",
        "train.loss: pairs_within_users, train.batch_size: 2048",  # most of the rows
        "train.batch_size: 64",
    ],
)
def test_batches_with_many_pairs_and_other_losses_are_not_told_of(fixed: str) -> None:
    assert not list(few_pairs(ready(fixed)))


def test_the_pairs_of_a_random_batch_are_those_that_are_drawn_in_the_mean() -> None:
    draw = np.random.default_rng(0)
    user_R = draw.integers(-20, 60, 500).clip(-1).astype(np.int32)
    counts = []
    for _ in range(300):
        users = user_R[draw.permutation(500)[:100]]
        rows_U = np.unique(users[users >= 0], return_counts=True)[1]
        counts.append((rows_U * (rows_U - 1)).sum() / 2)
    assert pairs_in_random_batch(user_R, 100) == pytest.approx(np.mean(counts), rel=0.05)


def test_scenarios_that_count_alike_are_gone() -> None:
    told = refusal("train.scenario_weights: equal")
    assert "'equal' is gone since 1.0: leave it out, or weigh scenarios by name" in told


TREES = ONE_ARM.replace("{mmoe: }\nreference: mmoe", "{trees: }\nreference: trees")
RANKED = TREES.replace("  time: time\n", "  time: time\n  rank: {group: user_id}\n")
AMOUNTS = RANKED.replace("{column: order}", "{column: order, kind: amount}")


@pytest.mark.parametrize("order", ["lambdarank", "rank_xendcg"])
def test_trees_that_learn_an_order_need_groups_and_labels_of_0_and_1(order: str) -> None:
    setting = f"model.objective: {order}"
    line = TREES.count("\n") + 1
    needs = f"model.objective {order} needs"
    assert (
        refusal(setting, TREES) == f"s.yaml:{line}:9: {needs} the key 'rank' of the data, got none"
    )
    said = refusal(setting, AMOUNTS)
    assert said == f"s.yaml:{line + 1}:9: {needs} tasks of 0 and 1, got amounts of order"
    Path("s.yaml").write_text(f"{RANKED}fixed: {{{setting}}}\n")
    assert try_study(load_study("s.yaml"))


def test_so_do_trees_whose_space_can_draw_one() -> None:
    choices = "{kind: categorical, choices: [cross_entropy, lambdarank], default: cross_entropy}"
    Path("orders.yaml").write_text(f"parameters: {{model.objective: {choices}}}\n")
    Path("s.yaml").write_text(TREES.replace("{trees: }", "{trees: {space: orders.yaml}}"))
    with pytest.raises(ConfigurationError, match="lambdarank needs the key 'rank'"):
        try_study(load_study("s.yaml"))
