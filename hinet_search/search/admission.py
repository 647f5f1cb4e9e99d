"""Admission: which draws are too large to be trained, and the size of an arm that is to be as large as another.

Every arm may spend the same on a row: a draw that needs more than `cost_limit` times the FLOPs of the default HiNet on
the same inputs, with the model settings that the study fixes for all arms, is not trained, whatever its model is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hinet_search.config import FeatureConfig, TrialConfig, build_config, config_type, known_names
from hinet_search.data.columns import Dataset
from hinet_search.errors import ConfigurationError
from hinet_search.records import Scalar
from hinet_search.sizing import flops_of, num_parameters, sizes_of
from hinet_search.spec import StudySpec
from hinet_search.study import DENSE_PARAMETERS, Arm
from hinet_search.training.config import TrainConfig

YARDSTICK = "hinet"


@dataclass(frozen=True)
class Admission:
    """Sizes are those that models have on this data."""

    dataset: Dataset
    cost_limit: float | None
    yardstick: TrialConfig = field(default_factory=lambda: build_config(YARDSTICK, {}))

    @classmethod
    def of(cls, dataset: Dataset, spec: StudySpec) -> "Admission":
        """With the limit of a study; a model setting that it fixes for all arms holds for the default HiNet too."""
        of_model = [name for name in spec.fixed if name.startswith("model.") and name in known_names(YARDSTICK)]
        return cls(dataset, spec.cost_limit, build_config(YARDSTICK, {name: spec.fixed[name] for name in of_model}))

    def refusal(self, arm: Arm, drawn: Mapping[str, Scalar]) -> str:
        """Why a draw is not trained, `too large: ...`; empty when it is.

        Values that do not go together are not too large: the trial begins and fails with that cause.
        """
        try:
            config = build_config(arm.model, arm.space.values(drawn))
        except ConfigurationError:
            return ""
        schema = config.features.schema_of(self.dataset)
        most = arm.space.max_parameters
        if most is not None and (size := num_parameters(config, schema)) > most:
            return f"too large: {size:,} parameters, max_parameters is {most:,}"
        if self.cost_limit is None:
            return ""
        flops, allowed = flops_of(config, schema), int(self.cost_limit * flops_of(self.yardstick, schema))
        if flops <= allowed:
            return ""
        return f"too large: {flops:,} FLOPs a row, {self.cost_limit:g} times the default HiNet's are {allowed:,}"

    def size_of_default(self, name: str, arms: Sequence[Arm]) -> int:
        """Parameters without embeddings of the default configuration of an arm, or of a model that none has the name of."""
        arm = next((one for one in arms if one.name == name), None)
        config = default_of(arm) if arm else TrialConfig(name, config_type(name)(), TrainConfig(), FeatureConfig())
        return sizes_of(config, config.features.schema_of(self.dataset))[1]

    def sized(self, arm: Arm, arms: Sequence[Arm]) -> Arm:
        """The arm with the size that can be told before a study runs: of the default of what it is to be as large as."""
        if not arm.size_of:
            return arm
        return arm.fixing({DENSE_PARAMETERS: self.size_of_default(arm.size_of, arms)})


def default_of(arm: Arm) -> TrialConfig:
    """The default configuration of an arm, always its trial 0."""
    return build_config(arm.model, arm.space.values(arm.space.default()))
