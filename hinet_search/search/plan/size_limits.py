"""Size limits: decide which draws are too large to train, and size an arm like another arm.

All arms have the same limit on FLOPs per row: `cost_limit` times the FLOPs of the default HiNet on
the same inputs, with the model settings that the study fixes for all arms and the defaults that it
changes in all. A draw above it is not trained, whatever its model. An arm with `size_of` is held to
its own size: whatever its default costs at that size is within the limit. `max_parameters` of a
space admits as many parameters as the default of its arm has, however many ids the data have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hinet_search.common.amounts import plain
from hinet_search.data.columns import Dataset
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import DENSE_PARAMETERS, Arm, ResolvedStudy
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.model_size import flops_of, num_parameters, sizes_of
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import TrialConfig, build_config, config_type, known_names

YARDSTICK = "hinet"


@dataclass(frozen=True)
class SizeLimits:
    """The size limits of a study. Sizes are measured with the schema of its data."""

    dataset: Dataset
    cost_limit: float | None
    yardstick: TrialConfig = field(default_factory=lambda: build_config(YARDSTICK, {}))

    @classmethod
    def of(cls, dataset: Dataset, study: ResolvedStudy) -> "SizeLimits":
        """Build the limits of a study; its model settings apply to the default HiNet too."""
        known = [name for name in known_names(YARDSTICK) if name.startswith("model.")]
        given = {**_changed_defaults(study), **study.spec.fixed}
        settings = {name: given[name] for name in known if name in given}
        return cls(dataset, study.spec.cost_limit, build_config(YARDSTICK, settings))

    def refusal(self, arm: Arm, config: TrialConfig) -> str:
        """Return why a configuration is not trained, `too large: ...`; empty when it is trained."""
        return self._too_many_parameters(arm, config) or self._too_costly(arm, config)

    def _too_many_parameters(self, arm: Arm, config: TrialConfig) -> str:
        most = arm.space.max_parameters
        size = self._parameters(config)
        if most is None or size <= most:
            return ""
        of_default = self._parameters(default_of(arm))
        if size <= of_default:
            return ""
        if of_default <= most:
            return f"too large: {size:,} parameters, max_parameters is {most:,}"
        return f"too large: {size:,} parameters, its default has {of_default:,}"

    def _parameters(self, config: TrialConfig) -> int:
        return num_parameters(config, config.features.schema_of(self.dataset))

    def _too_costly(self, arm: Arm, config: TrialConfig) -> str:
        """Apply the cost limit, of a sized arm relative to its default where that needs more."""
        if self.cost_limit is None:
            return ""
        schema = config.features.schema_of(self.dataset)
        flops = flops_of(config, schema)
        times = self.cost_limit
        allowed = int(times * flops_of(self.yardstick, schema))
        whose = "the default HiNet's are"
        if arm.size_of:
            own_times = max(1.0, self.cost_limit)
            own_allowed = int(own_times * flops_of(default_of(arm), schema))
            if own_allowed > allowed:
                times = own_times
                allowed = own_allowed
                whose = f"its default's at the size of {arm.size_of} are"
        if flops <= allowed:
            return ""
        return f"too large: {flops:,} FLOPs a row, {plain(times)} times {whose} {allowed:,}"

    def default_too_large(self, arm: Arm) -> str:
        """Return the problem of a default that is refused: the limits must admit trial 0."""
        refusal = self.refusal(arm, default_of(arm))
        if not refusal:
            return ""
        return (
            f"{arm.place}: limits must admit the default configuration, which is {refusal}; "
            "raise cost_limit, or lower the defaults of its space"
        )

    def size_of_default(self, name: str, arms: Sequence[Arm]) -> int:
        """Count the parameters, without embeddings, of the default of an arm.

        Where no arm has the name, it names a model.
        """
        arm = next((arm for arm in arms if arm.name == name), None)
        if arm:
            config = default_of(arm)
        else:
            config = TrialConfig(name, config_type(name)(), TrainConfig(), FeatureConfig())
        return sizes_of(config, config.features.schema_of(self.dataset))[1]

    def sized(self, arm: Arm, arms: Sequence[Arm]) -> Arm:
        """Return the arm with the default size of its `size_of`, known before a study runs."""
        if not arm.size_of:
            return arm
        return arm.fixing({DENSE_PARAMETERS: self.size_of_default(arm.size_of, arms)})


def _changed_defaults(study: ResolvedStudy) -> dict[str, Value]:
    """Return the defaults that the study's `parameters` change, as values of a configuration."""
    changes = study.spec.parameters
    changed = {name for name, change in changes.items() if "default" in change.given}
    values: dict[str, Value] = {}
    for arm in study.arms:
        parameters = arm.space.parameters
        drawn = {name: parameters[name].default for name in changed & parameters.keys()}
        converted = arm.space.values(drawn)
        values |= {name: converted[name] for name in drawn if name in converted}
    return values


def default_of(arm: Arm) -> TrialConfig:
    """Return the default configuration of an arm, which is always its trial 0."""
    return build_config(arm.model, arm.space.values(arm.space.default()))
