"""CGC, customised gate control: shared experts, experts and a gate per slot (PLE, RecSys 2020).

A slot gets a representation of its own; it is a task or a (scenario, task). Levels stack as in PLE:
a slot's gate sees its specific and the shared experts, the shared gate sees all experts, and the
last level has no shared gate.
Shape legend: M scenarios, T tasks, S slots computed for a row, B rows sorted by scenario, D inputs,
H expert outputs, E shared and P specific experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Depth, Frozen, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.diagnostics import gate_usage, numbered
from hinet_search.models.layers.experts import Experts, Gate, GateKind, mix
from hinet_search.results.records import GateUsage


class CGCConfig(Frozen):
    """Options of the task layer.

    `layout`: `per_scenario`, a CGC with T slots for every scenario (the paper); `global`, one CGC
    with M * T slots, whose shared experts serve all scenarios; `shared`, one CGC with T slots for
    all scenarios.
    """

    layout: Literal["per_scenario", "global", "shared"] = "per_scenario"
    num_levels: Depth = 1
    num_shared_experts: Count = 2
    num_specific_experts: Count = 1
    widths: Annotated[Layers, Field(min_length=1)] = (64,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    gate: Literal["softmax", "uniform"] = "softmax"


@dataclass(frozen=True)
class SlotCounts:
    """How many slots a level computes for a row, and how many groups the rows are divided into.

    `shared_groups` is the number of sets of shared experts, `slot_groups` of sets of slots: one, or
    one per scenario.
    """

    num_slots: int
    shared_groups: int
    slot_groups: int


class CGCLevel(nn.Module):
    """One level: maps a shared input and an input per slot to a shared output and one per slot."""

    def __init__(
        self, in_width: int, slots: SlotCounts, config: CGCConfig, *, gate: GateKind, is_last: bool
    ) -> None:
        super().__init__()
        self.num_shared = config.num_shared_experts
        self.num_specific = config.num_specific_experts
        num_specific_of_all_slots = slots.num_slots * self.num_specific
        self.shared = Experts(
            in_width,
            config.widths,
            self.num_shared,
            dropout=config.dropout,
            num_groups=slots.shared_groups,
        )
        self.specific = Experts(
            in_width,
            config.widths,
            num_specific_of_all_slots,
            dropout=config.dropout,
            num_groups=slots.slot_groups,
        )
        self.gate = Gate(
            in_width,
            self.num_shared + self.num_specific,
            gate,
            num_gates=slots.num_slots,
            num_groups=slots.slot_groups,
        )
        self.shared_gate = None
        if not is_last:
            num_experts = self.num_shared + num_specific_of_all_slots
            self.shared_gate = Gate(in_width, num_experts, gate, num_groups=slots.shared_groups)

    def forward(
        self, x_BD: Float[Tensor, "B D"], slots: Float[Tensor, "*stack B D"], sizes: Sequence[int]
    ) -> tuple[Float[Tensor, "B shared"], Float[Tensor, "S B H"]]:
        """Return (shared output, outputs per slot).

        `x_BD` is the input of the shared experts, `slots` of the slots: (B, D), the same for
        all, or (S, B, D). The last level has no shared output and returns `x_BD` in its place.
        """
        shared_EBH = self.shared(x_BD, sizes)
        inputs = slots if slots.dim() == 2 else slots.repeat_interleave(self.num_specific, dim=0)
        specific_SPBH = self.specific(inputs, sizes).unflatten(0, (-1, self.num_specific))
        gate_sizes = [self.num_shared, self.num_specific]
        gate_SBE, gate_SBP = self.gate(slots, sizes).split(gate_sizes, dim=-1)
        slots_SBH = mix(gate_SBE, shared_EBH.unsqueeze(0)) + mix(gate_SBP, specific_SPBH)
        if self.shared_gate is None:
            return x_BD, slots_SBH
        all_experts = torch.cat([shared_EBH, specific_SPBH.flatten(0, 1)])
        shared_1BH = mix(self.shared_gate(x_BD, sizes), all_experts.unsqueeze(0))
        return shared_1BH[0], slots_SBH


class CGC(nn.Module):
    """The task layer: T representations of `width` for every row; all levels have `gate` gates."""

    def __init__(
        self,
        in_width: int,
        num_scenarios: int,
        num_tasks: int,
        config: CGCConfig,
        *,
        gate: GateKind,
    ) -> None:
        super().__init__()
        self.num_tasks = num_tasks
        self.width = config.widths[-1]
        widths = [in_width, *[self.width] * (config.num_levels - 1)]

        def level(width: int, *, is_last: bool) -> CGCLevel:
            slots = _slots(config.layout, num_scenarios, num_tasks, is_last=is_last)
            return CGCLevel(width, slots, config, gate=gate, is_last=is_last)

        self.below = nn.ModuleList(level(width, is_last=False) for width in widths[:-1])
        self.last = level(widths[-1], is_last=True)

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "T B H"]:
        """Return a representation per task of each row's own scenario."""
        shared, slots = self._inputs_of_last(x_BD, sizes)
        slots_TBH: Tensor = self.last(shared, slots, sizes)[1]
        return slots_TBH

    def usage(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int], schema: Schema
    ) -> tuple[GateUsage, ...]:
        """Return mean gate weights of the last level over shared, then specific experts."""
        last = self.last
        shared = numbered("shared", last.num_shared, of_scenario=last.shared.num_groups > 1)
        of_scenario = last.specific.num_groups > 1
        specific = numbered("specific", last.num_specific, of_scenario=of_scenario, of_gate=True)
        gates = self.last_gates(x_BD, sizes)
        return gate_usage(gates, sizes, schema, (*shared, *specific))

    def last_gates(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]
    ) -> Float[Tensor, "T B experts"]:
        """Return gate weights of the last level over shared, then specific experts."""
        _, slots = self._inputs_of_last(x_BD, sizes)
        weights: Tensor = self.last.gate(slots, sizes)
        return weights

    def _inputs_of_last(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]
    ) -> tuple[Float[Tensor, "B below"], Float[Tensor, "*stack B below"]]:
        """Return the inputs of the last level: (shared, slots of each row's own scenario)."""
        shared = x_BD
        slots = x_BD
        for level in self.below:
            shared, slots = level(shared, slots, sizes)
        if slots.dim() == 3 and len(slots) > self.num_tasks:
            # Layout `global`: below the last level every row has all M * T slots, because the
            # shared gate sees all of them. The last level needs those of the row's scenario.
            slots_of_scenarios = torch.unflatten(slots, 0, (-1, self.num_tasks)).unbind(0)
            own_slots = [
                torch.split(slots_TBH, list(sizes), dim=1)[scenario]
                for scenario, slots_TBH in enumerate(slots_of_scenarios)
            ]
            slots = torch.cat(own_slots, dim=1)
        return shared, slots


def _slots(layout: str, num_scenarios: int, num_tasks: int, *, is_last: bool) -> SlotCounts:
    if layout == "per_scenario":
        return SlotCounts(num_tasks, num_scenarios, num_scenarios)
    if layout == "shared":
        return SlotCounts(num_tasks, 1, 1)
    if is_last:  # a row needs only the slots of its own scenario
        return SlotCounts(num_tasks, 1, num_scenarios)
    return SlotCounts(num_scenarios * num_tasks, 1, 1)
