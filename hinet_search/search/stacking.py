"""Stacking: which trials of an arm train as one stack, and how many at a time.

Trials of one architecture that differ in learning rates, decay, clipping, dropout, seed or what
they learn of a teacher can share their steps (training/stack.py). The search draws such trials
together where that is faster: on the CPU by the size of the model, on a GPU by a probe in the slot.
"""

import math
from dataclasses import dataclass

import torch

from hinet_search.data.columns import Dataset
from hinet_search.training.fit_stacked import can_stack, stack_is_small
from hinet_search.training.model_size import flops_of, meta_model, num_parameters
from hinet_search.training.trial_config import TrialConfig, is_network


@dataclass(frozen=True)
class Stacking:
    """Stacks of at most `most` trials on `device`, so that each of the `slots` gets its share."""

    dataset: Dataset
    device: torch.device
    most: int
    slots: int

    def size(self, config: TrialConfig, num_left: int) -> int:
        """Return how many of the `num_left` trials that may still begin train with this one."""
        number = min(self.most, math.ceil(num_left / self.slots))
        return number if number > 1 and self._pays(config, number) else 1

    def _pays(self, config: TrialConfig, number: int) -> bool:
        if not is_network(config.model_name):
            return False
        schema = config.features.schema_of(self.dataset)
        model = meta_model(config, schema)
        if not isinstance(model, torch.nn.Module) or not can_stack(model, config.train):
            return False
        if self.device.type != "cpu":
            return True
        flops = config.train.batch_size * flops_of(config, schema)
        return stack_is_small(number, flops, num_parameters(config, schema))
