"""Scoring: all members of an exported model as one module, from encoded inputs to predictions.

The module of one scenario takes rows of that scenario. That of mixed rows takes their scenarios
too: it scores every row in every scenario and returns the row's own.
Shape legend: R rows, F categorical fields, N numeric inputs, S slots of all lists, T tasks,
M scenarios, K knots of a calibrator.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.trees import Model as Trees
from hinet_search.results.calibration_records import Calibrator
from hinet_search.results.families import MAX_LOG
from hinet_search.results.statistics.ensemble import CERTAIN
from hinet_search.serving.compiled.forest import ForestScoring
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import ExportedMember, ExportedModel


class ScenarioScoring(nn.Module):
    """Score rows of scenario number `scenario`: the calibrated average of all members."""

    def __init__(self, exported: ExportedModel, scenario: int) -> None:
        super().__init__()
        self.scale = exported.file.scale
        self.members = nn.ModuleList(
            MemberScoring(member, scenario, exported.encoder.schema.num_scenarios)
            for member in exported.members
        )
        self.weights = [member.weight for member in exported.members]
        inputs = exported.file.inputs
        calibrators = exported.file.calibrators
        self.amounts = AmountTasks(inputs) if inputs.amount_units else None
        name = inputs.scenario.names[scenario]
        self.calibrators = nn.ModuleList()
        for task, has_task in zip(inputs.tasks, inputs.has_task[scenario], strict=True):
            calibrator = calibrators.get((name, task), Calibrator())
            self.calibrators.append(PiecewiseLinear(calibrator) if has_task else NoTask())

    def forward(
        self, ids_RF: Int[Tensor, "R F"], numeric_RN: Float[Tensor, "R N"], lists_RS: Tensor
    ) -> Float[Tensor, "R T"]:
        """Return P(task = 1), or the expected amount in the unit of its column, of the rows.

        NaN where a member has no finite score, and for a task that the scenario does not have.
        """
        logits = [_finite(member(ids_RF, numeric_RN, lists_RS)) for member in self.members]
        wide_RT = logits[0].double() if len(logits) == 1 else self._average(logits)
        columns = zip(self.calibrators, wide_RT.float().unbind(dim=1), strict=True)
        calibrated = [calibrator(logit_R.double()) for calibrator, logit_R in columns]
        logits_RT = torch.stack(calibrated, dim=1)
        predicted_RT = logits_RT.sigmoid()
        if self.amounts is not None:
            amount_RT = self.amounts.unit_T * _exponential(logits_RT)
            predicted_RT = self.amounts(amount_RT, predicted_RT)
        return predicted_RT.float()

    def _average(self, logits: Sequence[Float[Tensor, "R T"]]) -> Float[Tensor, "R T"]:
        """Return the logits of the weighted mean, see RunningMean."""
        yes_RT = torch.zeros_like(logits[0]).double()
        no_RT = torch.zeros_like(logits[0]).double()
        for logits_RT, weight in zip(logits, self.weights, strict=True):
            yes, no = self._odds(logits_RT.double())
            yes_RT = yes_RT + weight * yes
            no_RT = no_RT + weight * no
        return yes_RT / no_RT if self.scale == "logits" else yes_RT.log() - no_RT.log()

    def _odds(self, logits_RT: Float[Tensor, "R T"]) -> tuple[Tensor, Tensor]:
        """Return the terms of the two sums: p and 1 - p, an amount and 1, or the logit and 1."""
        if self.scale == "logits":
            return logits_RT, torch.ones_like(logits_RT)
        certain_RT = logits_RT.clamp(-CERTAIN, CERTAIN)
        yes_RT = certain_RT.sigmoid()
        no_RT = (-certain_RT).sigmoid()
        if self.amounts is None:
            return yes_RT, no_RT
        amount_RT = _exponential(certain_RT)
        return self.amounts(amount_RT, yes_RT), self.amounts(torch.ones_like(no_RT), no_RT)


class AmountTasks(nn.Module):
    """Which tasks have amounts, and their units."""

    is_amount_T: Tensor
    unit_T: Tensor

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.register_buffer("is_amount_T", torch.from_numpy(inputs.is_amount))
        self.register_buffer("unit_T", torch.from_numpy(inputs.units))

    def forward(
        self, of_amounts_RT: Float[Tensor, "R T"], others_RT: Float[Tensor, "R T"]
    ) -> Float[Tensor, "R T"]:
        """Return the first numbers for tasks of amounts, the others for other tasks."""
        return torch.where(self.is_amount_T, of_amounts_RT, others_RT)


def _finite(logits_RT: Float[Tensor, "R T"]) -> Float[Tensor, "R T"]:
    return torch.where(logits_RT.abs() < torch.inf, logits_RT, torch.nan)


def _exponential(logs_RT: Float[Tensor, "R T"]) -> Float[Tensor, "R T"]:
    """Return the amounts in their unit that these are the logs of, see families.py."""
    return logs_RT.clamp(max=MAX_LOG).exp()


class MixedScoring(nn.Module):
    """Score rows of any scenarios."""

    def __init__(self, scenarios: Sequence[ScenarioScoring]) -> None:
        super().__init__()
        self.scenarios = nn.ModuleList(scenarios)

    def forward(
        self,
        ids_RF: Int[Tensor, "R F"],
        numeric_RN: Float[Tensor, "R N"],
        lists_RS: Int[Tensor, "R S"],
        scenario_R: Int[Tensor, "R"],
    ) -> Float[Tensor, "R T"]:
        """Return P(task = 1), or the expected amount, of every row in its own scenario."""
        every_MRT = torch.stack(
            [scoring(ids_RF, numeric_RN, lists_RS) for scoring in self.scenarios]
        )
        own_1RT = scenario_R.long()[None, :, None].expand(1, -1, every_MRT.shape[2])
        return every_MRT.gather(0, own_1RT)[0]


class MemberScoring(nn.Module):
    """The logits, or logs of amounts, of one member, from the inputs of all."""

    def __init__(self, member: ExportedMember, scenario: int, num_scenarios: int) -> None:
        super().__init__()
        self.scenario = scenario
        self.num_scenarios = num_scenarios
        self.inputs = member.inputs
        model = member.model.model
        if isinstance(model, Trees):
            self.model: nn.Module = ForestScoring(model, scenario)
        else:
            assert isinstance(model, nn.Module), "trees are the only other kind of model"
            self.model = model.eval()

    def forward(
        self, ids_RF: Int[Tensor, "R F"], numeric_RN: Float[Tensor, "R N"], lists_RS: Tensor
    ) -> Float[Tensor, "R T"]:
        """Return logits, as of a batch whose rows are all of the scenario."""
        num_rows = ids_RF.shape[0]
        sizes = [0] * self.num_scenarios
        sizes[self.scenario] = num_rows
        scenario_R = torch.full((num_rows,), self.scenario, dtype=torch.int64)
        batch = Batch(
            ids_BF=_chosen(ids_RF, self.inputs.fields),
            numeric_BN=_chosen(numeric_RN, self.inputs.numbers),
            scenario_B=scenario_R,
            lists_BS=_chosen(lists_RS, self.inputs.slots),
            sizes=tuple(sizes),
        )
        logits_RT: Tensor = self.model(batch)
        return logits_RT


def _chosen(encoded: Tensor, positions: Sequence[int]) -> Tensor:
    """Return these columns; positions ascend."""
    if len(positions) == encoded.shape[1]:
        return encoded
    return encoded.index_select(1, torch.tensor(positions, dtype=torch.int64))


class NoTask(nn.Module):
    """In place of the calibrator of a task that a scenario does not have."""

    def forward(self, logit_R: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        """Return NaN."""
        return torch.full_like(logit_R, torch.nan)


class PiecewiseLinear(nn.Module):
    """A calibrator: linear between its knots, and with its slope outside them."""

    knot_K: Tensor
    value_K: Tensor
    rise_K: Tensor

    def __init__(self, calibrator: Calibrator) -> None:
        super().__init__()
        self.is_none = calibrator.kind == "none"
        self.slope = calibrator.slope
        knot_K = np.array(calibrator.knots)
        value_K = np.array(calibrator.values)
        width_K = np.diff(knot_K, append=np.inf)  # nothing rises after the last knot
        rise_K = np.diff(value_K, append=value_K[-1]) / np.where(width_K > 0, width_K, np.inf)
        for name, array in (("knot_K", knot_K), ("value_K", value_K), ("rise_K", rise_K)):
            self.register_buffer(name, torch.from_numpy(array))

    def forward(self, logit_R: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        """Return calibrated logits."""
        if self.is_none:
            return logit_R
        inside_R = logit_R.clamp(self.knot_K[0], self.knot_K[-1])
        left_R = (inside_R.unsqueeze(1) >= self.knot_K[1:]).sum(dim=1)
        between_R = self.value_K[left_R] + self.rise_K[left_R] * (inside_R - self.knot_K[left_R])
        return between_R + self.slope * (logit_R - inside_R)
