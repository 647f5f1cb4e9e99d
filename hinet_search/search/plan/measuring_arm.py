"""Measuring arm: the arm whose default configuration measures what groups of inputs are worth."""

from collections.abc import Sequence

from hinet_search.data.columns import Dataset
from hinet_search.search.plan.size_limits import SizeLimits, default_of
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.study_spec import AUTO
from hinet_search.training.model_size import flops_of

PREFERRED = "shared_bottom"


def measuring_arm(study: ResolvedStudy, dataset: Dataset) -> Arm:
    """Return the arm that the study names, at its size; of `auto`, a network that trains fast."""
    assert study.spec.inputs is not None, "asked of a study that measures its inputs"
    named = study.spec.inputs.arm
    if named == AUTO:
        names = [arm.name for arm in study.arms]
        named = PREFERRED if PREFERRED in names else ""
    size_limits = SizeLimits.of(dataset, study)
    arms = [size_limits.sized(arm, study.arms) for arm in study.arms]
    return next((arm for arm in arms if arm.name == named), None) or _cheapest(arms, dataset)


def _cheapest(arms: Sequence[Arm], dataset: Dataset) -> Arm:
    """Return the network with the fewest FLOPs by default; without networks, the first arm."""
    configs = {arm.name: default_of(arm) for arm in arms}
    flops = {
        name: flops_of(config, config.features.schema_of(dataset))
        for name, config in configs.items()
    }
    networks = [arm for arm in arms if flops[arm.name] > 0]
    return min(networks or arms, key=lambda arm: flops[arm.name])
