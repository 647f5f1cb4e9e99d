"""Every network, in every protocol that it has; models are discovered by their files."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from hinet_search.common import plugins
from hinet_search.data.schema import Schema
from hinet_search.models.layers.protocol import MDMT, PER_SCENARIO, PER_TASK, ProtocolConfig
from hinet_search.study.load_study import MODELS
from hinet_search.training.trial_config import build_config, config_type
from tests.models.small_models import SCHEMA


@dataclass(frozen=True)
class Case:
    """A model with its defaults in a protocol."""

    name: str
    protocol: str = MDMT

    def __str__(self) -> str:
        return self.name if self.protocol == MDMT else f"{self.name} {self.protocol}"

    def build(self, schema: Schema = SCHEMA, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return build_config(
            self.name, {} if self.protocol == MDMT else {"model.protocol": self.protocol}
        ).build(schema)


JOINT = tuple(
    Case(name)
    for name in plugins.names(MODELS)
    if issubclass(plugins.load(MODELS, name).Model, nn.Module)
)
BASELINES = tuple(case.name for case in JOINT if issubclass(config_type(case.name), ProtocolConfig))
APART = tuple(Case(name, protocol) for protocol in (PER_SCENARIO, PER_TASK) for name in BASELINES)
# Every baseline in one of the two in turn: test_protocols.py shows both of each.
IN_TURN = tuple(
    Case(name, (PER_SCENARIO, PER_TASK)[place % 2]) for place, name in enumerate(BASELINES)
)

every_model = pytest.mark.parametrize("case", JOINT, ids=str)
every_case = pytest.mark.parametrize("case", [*JOINT, *IN_TURN], ids=str)
every_baseline = pytest.mark.parametrize("name", BASELINES)
