"""CGC, customised gate control: experts that slots share, experts of one slot, and a gate per slot (RecSys 2020, PLE).

A slot is what gets a representation of its own: a task, or a (scenario, task). Several levels stack as in PLE: a slot's
gate sees its own and the shared experts, the shared gate sees all of them, the last level has no shared gate.
Shape legend: M scenarios, T tasks, S slots computed for a row, B rows sorted by scenario, D inputs, H expert outputs,
E shared and P specific experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Count, Frozen
from hinet_search.insight import GateUsage
from hinet_search.nn.experts import Experts
from hinet_search.nn.gates import Gate, GateKind
from hinet_search.nn.mixing import mix
from hinet_search.nn.usage import gate_usage, numbered


class CGCConfig(Frozen):
    """Options of the task layer.

    `layout`: `per_scenario`, a CGC of T slots for every scenario (the paper); `global`, one CGC with M * T slots, whose
    shared experts all scenarios share; `shared`, one CGC of T slots for all scenarios.
    """

    layout: Literal["per_scenario", "global", "shared"] = "per_scenario"
    num_levels: Count = 1
    num_shared_experts: Count = 2
    num_specific_experts: Count = 1
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (64,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    gate: Literal["softmax", "uniform"] = "softmax"


@dataclass(frozen=True)
class Slots:
    """How many slots a level computes for a row, and how many groups of rows own shared experts and slots."""

    num_slots: int
    shared_groups: int
    slot_groups: int


class CGCLevel(nn.Module):
    """One level: from an input per slot and one for the shared experts to an output per slot and a shared one."""

    def __init__(self, in_width: int, slots: Slots, config: CGCConfig, *, gate: GateKind, is_last: bool) -> None:
        super().__init__()
        self.num_shared = config.num_shared_experts
        self.num_specific = config.num_specific_experts
        num_specific = slots.num_slots * self.num_specific
        shape = (in_width, config.widths)
        self.shared = Experts(*shape, self.num_shared, dropout=config.dropout, num_groups=slots.shared_groups)
        self.specific = Experts(*shape, num_specific, dropout=config.dropout, num_groups=slots.slot_groups)
        num_seen = self.num_shared + self.num_specific
        self.gate = Gate(in_width, num_seen, gate, num_gates=slots.num_slots, num_groups=slots.slot_groups)
        self.shared_gate = (
            None if is_last else Gate(in_width, self.num_shared + num_specific, gate, num_groups=slots.shared_groups)
        )

    def forward(
        self, x_BD: Float[Tensor, "B D"], slots: Float[Tensor, "*stack B D"], sizes: Sequence[int]
    ) -> tuple[Float[Tensor, "B shared"], Float[Tensor, "S B H"]]:
        """Outputs (shared, per slot) from inputs of the shared experts and of the slots: (B, D) for all, or (S, B, D).

        The last level passes the shared input on: it has no shared output.
        """
        shared_EBH = self.shared(x_BD, sizes)
        inputs = slots if slots.dim() == 2 else slots.repeat_interleave(self.num_specific, dim=0)
        specific_SPBH = self.specific(inputs, sizes).unflatten(0, (-1, self.num_specific))
        gate_SBE, gate_SBP = self.gate(slots, sizes).split([self.num_shared, self.num_specific], dim=-1)
        slots_SBH = mix(gate_SBE, shared_EBH.unsqueeze(0)) + mix(gate_SBP, specific_SPBH)
        if self.shared_gate is None:
            return x_BD, slots_SBH
        everything = torch.cat([shared_EBH, specific_SPBH.flatten(0, 1)])
        return mix(self.shared_gate(x_BD, sizes), everything.unsqueeze(0))[0], slots_SBH


class CGC(nn.Module):
    """The task layer: T representations of `width` for every row. `gate` is the kind of gate that all levels use."""

    def __init__(self, in_width: int, num_scenarios: int, num_tasks: int, config: CGCConfig, *, gate: GateKind) -> None:
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
        """Representations for the tasks of each row's own scenario."""
        slots_TBH: Tensor = self.last(*self._inputs_of_last(x_BD, sizes), sizes)[1]
        return slots_TBH

    def usage(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int], scenarios: Sequence[str], tasks: Sequence[str]
    ) -> tuple[GateUsage, ...]:
        """Mean weights of the gates that stand before the towers, over shared, then own experts of a slot."""
        shared, specific = self.last.shared, self.last.specific
        experts = (
            *numbered("shared", self.last.num_shared, of_scenario=shared.num_groups > 1),
            *numbered("own", self.last.num_specific, of_scenario=specific.num_groups > 1, of_gate=True),
        )
        return gate_usage(self.last_gates(x_BD, sizes), sizes, scenarios, tasks, experts)

    def last_gates(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "T B experts"]:
        """Weights over shared, then specific experts of the gates that stand before the towers."""
        _, slots = self._inputs_of_last(x_BD, sizes)
        weights: Tensor = self.last.gate(slots, sizes)
        return weights

    def _inputs_of_last(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]
    ) -> tuple[Float[Tensor, "B below"], Float[Tensor, "*stack B below"]]:
        """What the last level gets: (shared, slots of each row's own scenario)."""
        shared, slots = x_BD, x_BD
        for level in self.below:
            shared, slots = level(shared, slots, sizes)
        if slots.dim() == 3 and len(slots) > self.num_tasks:
            # `global` below its last level: every row has all M * T slots, because the shared gate sees all of them
            scenarios = torch.unflatten(slots, 0, (-1, self.num_tasks)).unbind(0)
            runs = [torch.split(slots_TBH, list(sizes), dim=1) for slots_TBH in scenarios]
            slots = torch.cat([run[number] for number, run in enumerate(runs)], dim=1)
        return shared, slots


def _slots(layout: str, num_scenarios: int, num_tasks: int, *, is_last: bool) -> Slots:
    if layout == "per_scenario":
        return Slots(num_tasks, num_scenarios, num_scenarios)
    if layout == "shared":
        return Slots(num_tasks, 1, 1)
    # at the last level a row needs only the slots of its own scenario
    return Slots(num_tasks, 1, num_scenarios) if is_last else Slots(num_scenarios * num_tasks, 1, 1)
