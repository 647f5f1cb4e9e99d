"""AdaSparse: three forms of factors, neurons pruned per scenario, and alpha that grows."""

from dataclasses import replace

import pytest
import torch
from reference.adasparse import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import Tensor

from hinet_search.models.adasparse import Config, Model, Pruner
from hinet_search.models.layers.batch import Batch
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

FORMS = ("binarization", "scaling", "fusion")
SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "widths": [6, 5],
    "dropout": 0.0,
    "tower": {"widths": [3]},
    "annealing_steps": 10,
}


def small(changes: dict[str, object], num_steps: int = 10) -> Model:
    """Return a small AdaSparse after this many training steps, alpha at its end by default."""
    model = randomise(Model(Config.model_validate({**SMALL, **changes}), SCHEMA))
    model.num_steps.fill_(num_steps)
    return model


def factors(model: Model, rows: Batch) -> list[Tensor]:
    """Return what every pruner returns on these rows, in the order of the layers."""
    seen: list[Tensor] = []
    handles = [
        pruner.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
        for pruner in model.pruners
    ]
    model(rows)
    for handle in handles:
        handle.remove()
    return seen


def in_scenario(source: Batch, scenario: int) -> Batch:
    """Return the same rows, all moved to one scenario."""
    return replace(source, scenario_B=torch.full_like(source.scenario_B, scenario))


@pytest.mark.parametrize("num_steps", [0, 4, 10, 25])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_equals_the_reference_at_every_alpha(form: str, num_steps: int) -> None:
    model, rows = small({"form": form, "threshold": 0.4}, num_steps), batch(rows=9)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@pytest.mark.parametrize("form", ["binarization", "fusion"])
def test_the_comparisons_with_the_reference_include_pruned_and_kept_neurons(form: str) -> None:
    for pi_BH in factors(small({"form": form, "threshold": 0.4}), batch(rows=9)):
        assert 0 < int((pi_BH == 0).sum()) < pi_BH.numel()


def test_binary_factors_are_zero_or_one_and_still_train_the_pruner() -> None:
    model, rows = small({"form": "binarization"}), batch(rows=60)
    assert all(set(pi_BH.unique().tolist()) == {0.0, 1.0} for pi_BH in factors(model, rows))
    model(rows).square().sum().backward()
    assert all(pruner.linear.weight.grad.abs().sum() > 0 for pruner in model.pruners)


def test_scaling_factors_never_prune_and_amplify_up_to_the_scale() -> None:
    for pi_BH in factors(small({"form": "scaling", "scale": 3.0}), batch(rows=60)):
        assert float(pi_BH.min()) > 0
        assert 2 < float(pi_BH.max()) < 3


def test_fused_factors_are_zero_or_above_the_threshold_and_amplify_too() -> None:
    for pi_BH in factors(small({"threshold": 0.6}), batch(rows=60)):
        kept = pi_BH[pi_BH != 0]
        assert 0 < len(kept) < pi_BH.numel()
        assert 0.6 < float(kept.min()) < 1 < float(kept.max()) < 2


@pytest.mark.parametrize("form", FORMS)
def test_pruners_without_an_opinion_leave_the_network_as_it_is(form: str) -> None:
    model, rows = small({"form": form}), batch()
    with torch.no_grad():
        for pruner in model.pruners:
            pruner.linear.weight.zero_()
            pruner.linear.bias.zero_()
    assert all(torch.equal(pi_BH, torch.ones_like(pi_BH)) for pi_BH in factors(model, rows))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_have_other_factors_in_another_scenario(form: str) -> None:
    model, rows = small({"form": form}), batch(rows=60)
    here, there = (factors(model, in_scenario(rows, scenario))[0] for scenario in (0, 1))
    assert not torch.equal(here, there)


@pytest.mark.parametrize("form", ["binarization", "fusion"])
def test_a_neuron_pruned_in_one_scenario_is_trained_only_by_the_others(form: str) -> None:
    model, rows = small({"form": form}), batch(rows=60)
    prune_first_neuron_in_scenario_0(model)
    for scenario, is_trained in ((0, False), (1, True)):
        model.zero_grad()
        model(in_scenario(rows, scenario)).square().sum().backward()
        into, out_of = model.hidden[0].weight.grad[0], model.hidden[1].weight.grad[:, 0]
        assert bool(into.abs().sum() > 0) is is_trained
        assert bool(out_of.abs().sum() > 0) is is_trained


def prune_first_neuron_in_scenario_0(model: Model) -> None:
    """Make the first pruner read the scenario alone, and reject one neuron in scenario 0."""
    first_scenario = sum(SCHEMA.vocabulary_sizes)
    pruner: Pruner = model.pruners[0]
    with torch.no_grad():
        model.embedding.table.weight[first_scenario : first_scenario + 2] = torch.tensor(
            [[-3.0, 0.0], [3.0, 0.0]]
        )
        pruner.linear.weight.zero_()
        pruner.linear.bias.zero_()
        pruner.linear.weight[0, 0] = 1.0
        model.hidden[0].bias[0] = 9.0  # ReLU must not hide the neuron


def test_alpha_grows_from_a_tenth_to_five_in_training_steps_alone() -> None:
    model, rows = small({}, num_steps=0), batch()
    alphas = []
    for _ in range(12):
        alphas.append(float(model.alpha(torch.float64)))
        model.eval()(rows)
        model.train()(rows)
    assert alphas == pytest.approx([0.1 + 0.49 * step for step in range(10)] + [5.0, 5.0])


def test_a_restored_model_continues_at_its_alpha() -> None:
    source, target = small({}, num_steps=7), small({}, num_steps=0)
    target.load_state_dict(source.state_dict())
    assert float(target.alpha(torch.float64)) == float(source.alpha(torch.float64)) > 3


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("adasparse")
    assert build_config("adasparse", space.values(space.default())).model == Config()
