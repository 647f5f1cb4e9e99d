"""A scenario without a task: a model's other cells are those of a plain loop, and nothing learns of a cell that is not there."""

import importlib
from dataclasses import replace

import pytest
import torch
from cases import APART, JOINT, Case
from small_hinet import small
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.models.layers.contracts import IndependentParts
from hinet_search.models.layers.experts import Towers
from hinet_search.training.loss import label_weights, own_scenario_loss

ABSENT = replace(SCHEMA, absent_cells=(("cart", "order"), ("feed", "click")))
HAS_TASK = torch.from_numpy(ABSENT.has_task)
WEIGHT_MT = HAS_TASK.float()


def loss_of(model: nn.Module, labels_BT: torch.Tensor) -> torch.Tensor:
    source = batch(ABSENT, rows=24)
    logits_BH = model(source)
    mask_BH = label_weights(WEIGHT_MT, source.scenario_B, logits_BH.shape[1])
    labels_BH = labels_BT.repeat(1, logits_BH.shape[1] // labels_BT.shape[1])
    return own_scenario_loss(logits_BH, labels_BH, mask_BH)


def labels(seed: int, rows: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2, (rows, 2), generator=generator).double()


# The models that know of absent cells; to the others only the loss matters.
KNOWING = {
    "hmoe": lambda: randomise(Case("hmoe").build(ABSENT)),
    "single": lambda: randomise(Case("single").build(ABSENT)),
    "hinet": lambda: small({"loss.entire_space": True}, ABSENT),
}


@pytest.mark.parametrize("name", KNOWING)
def test_cells_that_exist_equal_the_plain_reference_forward_and_backward(name: str) -> None:
    model, source = KNOWING[name](), batch(ABSENT, rows=3)
    has_label_BT = HAS_TASK[source.scenario_B]
    reference = importlib.import_module(f"reference.{name}").logits(model, source)
    batched, plain = (
        torch.where(has_label_BT, logits_BT, 0.0) for logits_BT in (model(source), reference)
    )
    assert_same_with_gradients(model, batched, plain)


@pytest.mark.parametrize("case", [*JOINT, APART[0], APART[-1]], ids=str)
def test_labels_of_absent_cells_bring_no_gradient_to_any_parameter(case: Case) -> None:
    gradients = []
    for seed in (1, 2):
        model = randomise(case.build(ABSENT)).train(mode=False)
        is_known_BT = HAS_TASK[batch(ABSENT, rows=24).scenario_B]
        loss_of(model, torch.where(is_known_BT, labels(0), labels(seed))).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for left, right in zip(*gradients, strict=True):
        assert torch.equal(left, right) if left is not None else right is None


def test_no_gradient_reaches_the_tower_of_a_cell_that_does_not_exist() -> None:
    num_checked = 0
    models = [randomise(case.build(ABSENT)) for case in JOINT]
    models.append(small({"loss.entire_space": True}, ABSENT))
    models.append(small({"released_code": True}, ABSENT).train())  # all heads see every row
    for model in models:
        towers = getattr(model, "towers", None)
        if not isinstance(towers, Towers):
            continue
        loss_of(model, labels(0)).backward()
        # feed has no click, search has both, cart has no order
        reached = [bool(slope_O.any()) for slope_O in towers.output.bias_LO.grad]
        assert reached == [False, True, True, True, True, False]
        for layer in (*towers.hidden.layers, towers.output):
            assert not layer.weight_LIO.grad[[0, -1]].any()
        num_checked += 1
    assert num_checked > 5


def test_single_has_a_network_for_every_cell_that_exists_and_for_no_other() -> None:
    assert len(Case("single").build(ABSENT).cells) == 4


@pytest.mark.parametrize("case", [Case("single"), APART[0], APART[-1]], ids=str)
def test_independent_parts_decide_every_cell_once(case: Case) -> None:
    model = case.build(ABSENT)
    assert isinstance(model, IndependentParts)
    decided = [cell for part in model.independent_parts() for cell in part.cells]
    assert sorted(decided) == list(range(len(ABSENT.cells)))


def test_weights_of_scores_name_the_scenarios_that_have_the_task() -> None:
    gates = {gate.where: gate for gate in KNOWING["hmoe"]().insight(batch(ABSENT, rows=24)).gates}
    of_scores = {where: gate for where, gate in gates.items() if where.endswith(" scores")}
    for task in ABSENT.tasks:
        having = [cell.scenario for cell in ABSENT.cells if cell.task == task]
        for scenario in having:
            gate = of_scores.pop(f"{scenario}/{task} scores")
            assert list(gate.experts) == having
            assert sum(gate.weights) == pytest.approx(1)
            assert min(gate.weights) > 0
    assert not of_scores, "none of a cell that is not there"
