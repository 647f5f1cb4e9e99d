"""A draw is trained when it is within both limits, of parameters and of FLOPs a row beside the default HiNet."""

from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search import sizing
from hinet_search.config import build_config
from hinet_search.records import Scalar
from hinet_search.schema import Schema
from hinet_search.search.admission import Admission
from hinet_search.sizing import flops_of
from hinet_search.space import load_space
from hinet_search.spec import StudySpec
from hinet_search.study import DENSE_PARAMETERS, Arm

SCHEMA = Schema(("home", "search", "push"), ("click", "order"), ("user", "item", "hour"), (500, 300, 24), ("price",))
SPACE = """\
parameters:
  model.num_experts: {kind: int, low: 1, high: 500, default: 3}
max_parameters: 5000000
"""


class Data:
    """What admission reads of a data set."""

    def schema(self, minimum_frequency: int, groups: str, pooling: str | None) -> Schema:
        assert groups in ("all", "none")
        return SCHEMA if groups == "all" else replace(SCHEMA, categorical=("hour",), vocabulary_sizes=(24,), numeric=())


def admission(cost_limit: float | None) -> Admission:
    return Admission(Data(), cost_limit)  # type: ignore[arg-type]  # the part that is read


@pytest.fixture
def arm(tmp_path: Path) -> Arm:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return Arm("mmoe", "mmoe", load_space(str(path)), "s.yaml:1")


def flops_of_hinet(schema: Schema) -> int:
    return flops_of(build_config("hinet", {}), schema)


def experts(number: int) -> dict[str, Scalar]:
    return {"model.num_experts": number}


def test_a_draw_within_both_limits_is_trained(arm: Arm) -> None:
    assert admission(2.0).refusal(arm, experts(3)) == ""


def test_a_draw_over_max_parameters_is_refused_with_both_numbers(arm: Arm) -> None:
    said = admission(None).refusal(arm, experts(500))
    assert said.startswith("too large: ")
    assert said.endswith(" parameters, max_parameters is 5,000,000")


def test_a_draw_that_costs_too_much_is_refused_with_both_numbers(arm: Arm) -> None:
    allowed = int(2.0 * flops_of_hinet(SCHEMA))
    said = admission(2.0).refusal(arm, experts(60))
    assert said.endswith(f"FLOPs a row, 2 times the default HiNet's are {allowed:,}")


def test_a_draw_that_differs_from_another_in_training_alone_is_not_measured_again(arm: Arm) -> None:
    admission(2.0).refusal(arm, experts(3))
    before = sizing._flops_of.cache_info().misses, sizing._sizes_of.cache_info().misses
    admission(2.0).refusal(arm.fixing({"train.learning_rate": 5e-3}), experts(3))
    assert (sizing._flops_of.cache_info().misses, sizing._sizes_of.cache_info().misses) == before


def test_without_a_cost_limit_only_parameters_count(arm: Arm) -> None:
    assert admission(None).refusal(arm, experts(60)) == ""


def test_the_yardstick_sees_the_inputs_that_the_draw_sees(arm: Arm) -> None:
    fewer = arm.fixing({"features.groups": "none"})
    assert f"{int(2.0 * flops_of_hinet(Data().schema(1, 'none', None))):,}" in admission(2.0).refusal(
        fewer, experts(60)
    )


def test_what_a_study_fixes_for_all_arms_holds_for_the_yardstick(arm: Arm) -> None:
    fixed = {"model.embedding_dim": 64, "model.protocol": "per_task", "train.batch_size": 4096}
    spec = StudySpec.model_construct(fixed=fixed, cost_limit=1.0)
    wide = Admission.of(Data(), spec)  # type: ignore[arg-type]  # the part that is read
    allowed = flops_of(build_config("hinet", {"model.embedding_dim": 64}), SCHEMA)
    assert wide.refusal(arm, experts(60)).endswith(f"1 times the default HiNet's are {allowed:,}")


def test_values_that_do_not_go_together_are_not_too_large(arm: Arm) -> None:
    assert admission(2.0).refusal(arm.fixing({"model.dropout": 7.0}), experts(3)) == ""


def test_a_model_that_counts_no_flops_is_within_any_cost_limit(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("parameters: {}\n")
    assert admission(1e-9).refusal(Arm("trees", "trees", load_space(str(path)), "s.yaml:1"), {}) == ""


def test_a_model_that_no_arm_has_gives_the_size_of_its_own_default(arm: Arm) -> None:
    sized = admission(2.0).sized(replace(arm, model="flat_moe", size_of="hinet"), [arm])
    assert sized.space.fixed[DENSE_PARAMETERS] == admission(2.0).size_of_default("hinet", [])


def test_an_arm_that_is_to_be_as_large_as_another_is_planned_with_the_size_of_its_default(arm: Arm) -> None:
    large = replace(arm.fixing({"model.num_experts": 9}), name="large")
    sized = admission(2.0).sized(replace(arm, name="flat", model="flat_moe", size_of="large"), [arm, large])
    of_three, of_nine = (admission(2.0).size_of_default(name, [arm, large]) for name in ("mmoe", "large"))
    assert of_nine > 2 * of_three
    assert sized.space.fixed[DENSE_PARAMETERS] == of_nine


def test_an_arm_of_its_own_size_is_planned_as_it_is(arm: Arm) -> None:
    assert admission(2.0).sized(arm, [arm]) is arm
