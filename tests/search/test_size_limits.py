"""A draw is trained if it is within both limits: parameters, and FLOPs per row compared with the default HiNet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest

from hinet_search.data.schema import Schema
from hinet_search.results.records import Scalar
from hinet_search.search.plan.size_limits import SizeLimits, default_of
from hinet_search.study.load_study import DENSE_PARAMETERS, Arm
from hinet_search.study.parameter_changes import ParameterChange, changed
from hinet_search.study.search_space import load_space
from hinet_search.study.study_spec import StudySpec
from hinet_search.training import model_size
from hinet_search.training.model_size import flops_of, num_parameters, sizes_of
from hinet_search.training.trial_config import build_config

SCHEMA = Schema(
    ("home", "search", "push"),
    ("click", "order"),
    ("user", "item", "hour"),
    (500, 300, 24),
    ("price",),
)
SPACE = """\
parameters:
  model.num_experts: {kind: int, low: 1, high: 500, default: 3}
max_parameters: 5000000
"""


@dataclass(frozen=True)
class Data:
    """What admission reads of a data set."""

    whole: Schema = SCHEMA
    groups = MappingProxyType[str, tuple[str, ...]]({})

    def schema(self, minimum_frequency: int, groups: str, pooling: str | None) -> Schema:
        assert groups in ("all", "none")
        fewer = replace(self.whole, categorical=("hour",), vocabulary_sizes=(24,), numeric=())
        return self.whole if groups == "all" else fewer


def size_limits(cost_limit: float | None, schema: Schema = SCHEMA) -> SizeLimits:
    return SizeLimits(Data(schema), cost_limit)  # type: ignore[arg-type]  # the part that is read


@pytest.fixture
def arm(tmp_path: Path) -> Arm:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return Arm("mmoe", "mmoe", load_space(str(path)), "s.yaml:1")


def flops_of_hinet(schema: Schema) -> int:
    return flops_of(build_config("hinet", {}), schema)


def experts(number: int) -> dict[str, Scalar]:
    return {"model.num_experts": number}


def limits_of(spec: StudySpec, *arms: Arm) -> SizeLimits:
    parts = SimpleNamespace(spec=spec, arms=arms)
    return SizeLimits.of(Data(), parts)  # type: ignore[arg-type]  # the parts that are read


def refusal(limits: SizeLimits, arm: Arm, drawn: Mapping[str, Scalar]) -> str:
    """Why the configuration of a draw is not trained."""
    return limits.refusal(arm, build_config(arm.model, arm.space.values(drawn)))


def test_a_draw_over_max_parameters_is_refused_with_both_numbers(arm: Arm) -> None:
    said = refusal(size_limits(None), arm, experts(500))
    assert said.startswith("too large: ")
    assert said.endswith(" parameters, max_parameters is 5,000,000")


def test_a_draw_that_costs_too_much_is_refused_with_both_numbers(arm: Arm) -> None:
    allowed = int(2.0 * flops_of_hinet(SCHEMA))
    said = refusal(size_limits(2.0), arm, experts(60))
    assert said.endswith(f"FLOPs a row, 2 times the default HiNet's are {allowed:,}")


def test_a_draw_that_differs_from_another_in_training_alone_is_not_measured_again(arm: Arm) -> None:
    refusal(size_limits(2.0), arm, experts(3))
    before = model_size._flops_of.cache_info().misses, model_size._sizes_of.cache_info().misses
    refusal(size_limits(2.0), arm.fixing({"train.learning_rate": 5e-3}), experts(3))
    assert (
        model_size._flops_of.cache_info().misses,
        model_size._sizes_of.cache_info().misses,
    ) == before


def test_the_yardstick_sees_the_inputs_that_the_draw_sees(arm: Arm) -> None:
    fewer = arm.fixing({"features.groups": "none"})
    allowed = int(2.0 * flops_of_hinet(Data().schema(1, "none", None)))
    assert f"{allowed:,}" in refusal(size_limits(2.0), fewer, experts(60))


def test_what_a_study_fixes_for_all_arms_holds_for_the_yardstick(arm: Arm) -> None:
    fixed = {"model.embedding_dim": 64, "model.protocol": "per_task", "train.batch_size": 4096}
    spec = StudySpec.model_construct(fixed=fixed, cost_limit=1.0)
    wide = limits_of(spec, arm)
    allowed = flops_of(build_config("hinet", {"model.embedding_dim": 64}), SCHEMA)
    assert refusal(wide, arm, experts(60)).endswith(f"1 times the default HiNet's are {allowed:,}")


def test_defaults_that_a_study_changes_for_all_arms_hold_for_the_yardstick(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "parameters:\n"
        "  model.embedding_dim: {kind: categorical, choices: [8, 64], default: 8}\n"
        "  model.tower.widths: {kind: widths, choices: {a: [8], b: [96]}, default: a}\n"
        "  model.cgc.dropout: {kind: float, low: 0.0, high: 0.5, default: 0.1}\n"
    )
    changes = {
        "model.embedding_dim": ParameterChange(default=64),
        "model.tower.widths": ParameterChange(default="b"),
        "model.cgc.dropout": ParameterChange(high=0.4),
        "train.learning_rate": ParameterChange(default=0.01),
    }
    space = changed(load_space(str(path)), changes, lambda _: "s.yaml:1")
    hinet = Arm("hinet", "hinet", space, "s.yaml:1")
    limits = limits_of(StudySpec.model_construct(parameters=changes, cost_limit=1.0), hinet)
    wide = {"model.embedding_dim": 64, "model.tower.widths": (96,)}
    assert limits.yardstick == build_config("hinet", wide)
    assert limits.refusal(hinet, default_of(hinet)) == ""


def test_a_model_that_counts_no_flops_is_within_any_cost_limit(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("parameters: {}\n")
    trees = Arm("trees", "trees", load_space(str(path)), "s.yaml:1")
    assert refusal(size_limits(1e-9), trees, {}) == ""


def test_an_arm_sized_like_another_is_planned_with_the_size_of_its_default(arm: Arm) -> None:
    large = replace(arm.fixing({"model.num_experts": 9}), name="large")
    sized = size_limits(2.0).sized(
        replace(arm, name="flat", model="flat_moe", size_of="large"), [arm, large]
    )
    of_three, of_nine = (
        size_limits(2.0).size_of_default(name, [arm, large]) for name in ("mmoe", "large")
    )
    assert of_nine > 2 * of_three
    assert sized.space.fixed[DENSE_PARAMETERS] == of_nine


MANY_INPUTS = Schema(
    ("1", "0", "4", "2", "6"),
    ("click", "long_view"),
    tuple(f"field_{number}" for number in range(12)),
    (2000,) * 12,
    tuple(f"number_{number}" for number in range(40)),
)


@pytest.fixture
def flat() -> Arm:
    """An arm that is to be as large as the finalist of `hinet`; it has no size yet."""
    return Arm("flat_moe", "flat_moe", load_space("flat_moe"), "s.yaml:2", size_of="hinet")


def sizes_of_admitted_hinets(limits: SizeLimits, draws: range) -> Iterator[int]:
    """Dense parameters of the draws from HiNet's space that are trained."""
    hinet = Arm("hinet", "hinet", load_space("hinet"), "s.yaml:1")
    for seed in draws:
        drawn = hinet.space.at_random(seed)
        if not refusal(limits, hinet, drawn):
            yield sizes_of(build_config("hinet", hinet.space.values(drawn)), MANY_INPUTS)[1]


def test_the_default_of_a_sized_arm_is_trained_whatever_admitted_hinet_has_the_size(
    flat: Arm,
) -> None:
    limits, costs = size_limits(2.0, MANY_INPUTS), []
    for size in sizes_of_admitted_hinets(limits, range(25, 60)):
        sized = flat.fixing({DENSE_PARAMETERS: size})
        assert refusal(limits, sized, sized.space.default()) == ""
        costs.append(flops_of(default_of(sized), MANY_INPUTS))
    assert max(costs) > 2.0 * flops_of_hinet(MANY_INPUTS), (
        "some need more than the limit of the other arms"
    )


@pytest.fixture
def costly(flat: Arm) -> Arm:
    """A sized arm whose default needs three times what the default HiNet needs."""
    return flat.fixing({DENSE_PARAMETERS: 2_000_000})


def test_a_sized_arm_may_need_so_many_times_its_own_default_where_that_is_more(costly: Arm) -> None:
    limits, without_towers = size_limits(1.1, MANY_INPUTS), {"model.tower.widths": "none"}
    allowed = int(1.1 * flops_of(default_of(costly), MANY_INPUTS))
    assert refusal(limits, costly, without_towers).endswith(
        f"1.1 times its default's at the size of hinet are {allowed:,}"
    )
    assert refusal(size_limits(2.0, MANY_INPUTS), costly, without_towers) == ""


def test_a_default_is_within_max_parameters_however_large_and_a_larger_draw_is_not(
    arm: Arm,
) -> None:
    few = replace(arm, space=replace(arm.space, max_parameters=1000))
    limits = size_limits(None)
    needed = num_parameters(default_of(few), SCHEMA)
    assert refusal(limits, few, experts(3)) == ""
    said = refusal(limits, few, experts(4))
    assert said.endswith(f" parameters, its default has {needed:,}")
