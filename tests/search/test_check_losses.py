"""What a study says of losses, weights and the order of rows is checked against its data before anything is trained."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan import plan_warnings, probe, prober
from hinet_search.search.plan.check_losses import most_pairs
from hinet_search.search.plan.check_study import try_study
from hinet_search.search.plan.plan import PreparedStudy, make_plan
from hinet_search.search.plan.plan_warnings import few_pairs, many_pairs, pairs_in_random_batch
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import load_study
from hinet_search.training.pairs import pairs
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


def test_a_scenario_has_no_weight_of_its_own_where_all_are_equal() -> None:
    said = refusal("train.scenario_weights: equal, train.scenario_weights.home: 2.0")
    assert said.endswith(
        "'train.scenario_weights.home' cannot be set beside train.scenario_weights, which is equal; "
        "leave one of them out"
    )


def test_a_loss_that_is_none_is_refused_with_the_nearest() -> None:
    assert "loss 'focall' is not known, must be one of cross_entropy, focal," in refusal(
        "train.loss: focall"
    )
    assert refusal("train.loss: focall").endswith("did you mean 'focal'?")


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
        "train.ranking_weight needs a train.loss of pairs, such as pairs_within_scenarios, "
        "got cross_entropy"
    )


def test_tables_in_bf16_need_an_optimiser_of_the_rows_of_a_batch() -> None:
    assert refusal("train.table_precision: bf16") == (
        f"s.yaml:{FIXED}:9: train.table_precision bf16 needs an train.embedding_optimiser of the "
        "rows of a batch (sparse_adam, rowwise_adagrad, lazy_adam), got adam in arm mmoe; "
        "fix train.embedding_optimiser: lazy_adam"
    )


def test_an_arm_that_has_such_an_optimiser_can_have_them_and_trees_ignore_them() -> None:
    lazy = "{model: mmoe, fixed: {train.embedding_optimiser: lazy_adam}}"
    arms = f"arms: {{lazy: {lazy}, trees: }}\n"
    Path("s.yaml").write_text(STUDY.replace(ARMS, arms) + "fixed: {train.table_precision: bf16}\n")
    arm, _ = try_study(load_study("s.yaml")).arms
    assert arm.space.fixed["train.table_precision"] == "bf16"


def test_a_weight_of_pairs_that_is_searched_under_a_condition_needs_none() -> None:
    weight = (
        "{kind: float, low: 0.1, high: 1.0, default: 0.5, when: {train.loss: [pairs_within_users]}}"
    )
    Path("weights.yaml").write_text(
        "parameters:\n"
        "  train.loss: {kind: categorical, choices: [pairs_within_users, focal], default: focal}\n"
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
        "train.loss: pairs_within_scenarios, train.batch_size: 64",
        "train.batch_size: 64",
    ],
)
def test_batches_with_many_pairs_and_other_losses_are_not_told_of(fixed: str) -> None:
    assert not list(few_pairs(ready(fixed)))


PAIRS = "train.loss: pairs_within_scenarios"
SIZES = "train.batch_size: {kind: int, low: 256, high: 65536, default: 256, log: true}\n"


def test_a_batch_that_lists_very_many_pairs_of_a_scenario_is_told_with_a_smaller_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_warnings, "MANY_PAIRS", 50_000)
    prepared = ready(f"{PAIRS}, train.batch_size: 1024")
    (warning,) = many_pairs(prepared)
    said = re.fullmatch(
        r"arm mmoe: a batch of 1,024 rows lists about ([\d,]+) pairs of rows of a scenario, .* in "
        r"every step; a train.batch_size of at most ([\d,]+) lists 50,000",
        warning,
    )
    assert said
    _, num_pairs = most_pairs(prepared.study.arms[0], prepared.dataset.record)
    assert said[1] == f"{num_pairs:,}"
    assert num_pairs * (int(said[2]) / 1024) ** 2 == pytest.approx(50_000, rel=0.01)
    assert not list(many_pairs(ready(f"{PAIRS}, train.batch_size: {said[2]}")))


def test_the_pairs_that_are_told_of_are_those_that_a_batch_lists_in_the_mean() -> None:
    prepared = ready(f"{PAIRS}, train.batch_size: 300")
    train = prepared.dataset.train
    draw = np.random.default_rng(0)
    counts = []
    for _ in range(50):
        rows_B = draw.permutation(train.num_rows)[:300]
        counts.append(len(pairs(train.scenario_R[rows_B], train.labels_RT[rows_B])[0]))
    size, num_pairs = most_pairs(prepared.study.arms[0], prepared.dataset.record)
    assert size == 300
    assert num_pairs == pytest.approx(np.mean(counts), rel=0.05)


def test_amounts_above_0_are_pairs_with_each_other_too() -> None:
    prepared = ready(f"{PAIRS}, train.batch_size: 300")
    (arm,), record = prepared.study.arms, prepared.dataset.record
    of_amounts = replace(record.cells[0], means=(1.0, 1.0, 1.0))
    amounts = replace(record, cells=(of_amounts, *record.cells[1:]))
    more = most_pairs(arm, amounts)[1] - most_pairs(arm, record)[1]
    share = 300 / record.rows[0]
    assert more == pytest.approx((share * record.cells[0].positives[0]) ** 2 / 2, abs=1)


def test_the_memory_of_a_plan_has_the_pairs_of_the_largest_batch_that_a_space_can_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prober, "probe", lambda *_: probe.ProbeResult(10.0, 10.0, 1000))
    Path("sizes.yaml").write_text(f"parameters:\n  {SIZES}")
    text = ONE_ARM.replace("{mmoe: }", "{mmoe: {space: sizes}}")
    prepared = ready(PAIRS, text)
    size, num_pairs = most_pairs(prepared.study.arms[0], prepared.dataset.record)
    assert size == 65536
    assert num_pairs > 100_000  # those of all training rows
    (arm,) = make_plan(prepared).arms
    assert arm.memory_bytes == 1000 + 48 * num_pairs


@pytest.mark.parametrize("fixed", ["train.loss: pairs_within_users", "train.loss: focal"])
def test_losses_without_pairs_of_scenarios_list_none(fixed: str) -> None:
    prepared = ready(fixed)
    assert most_pairs(prepared.study.arms[0], prepared.dataset.record)[1] == 0


def test_the_pairs_of_a_random_batch_are_those_that_are_drawn_in_the_mean() -> None:
    draw = np.random.default_rng(0)
    user_R = draw.integers(-20, 60, 500).clip(-1).astype(np.int32)
    counts = []
    for _ in range(300):
        users = user_R[draw.permutation(500)[:100]]
        rows_U = np.unique(users[users >= 0], return_counts=True)[1]
        counts.append((rows_U * (rows_U - 1)).sum() / 2)
    assert pairs_in_random_batch(user_R, 100) == pytest.approx(np.mean(counts), rel=0.05)


def test_the_pairs_of_many_users_are_few() -> None:
    user_R = np.random.default_rng(0).integers(0, 20_000, 130_000).astype(np.int32)
    assert 20 < pairs_in_random_batch(user_R, 1024) < 30
