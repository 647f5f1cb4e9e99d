"""AdaSparse: three forms of factors, neurons and embeddings pruned per scenario, alpha that grows."""

from dataclasses import replace

import pytest
import torch
from cases import Case
from reference.adasparse import logits
from small_models import SCHEMA, WITH_LISTS, assert_same_with_gradients, batch, randomise
from torch import Tensor, nn

from hinet_search.models.adasparse import Config, Model
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.protocol import MDMT, PER_SCENARIO, PER_TASK
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions, FixedSteps
from hinet_search.training.train_config import TrainConfig
from tests.training.datasets import separable
from tests.training.fake_models import CPU, Watch

FORMS = ("binarization", "scaling", "fusion")
SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "widths": [6, 5],
    "dropout": 0.0,
    "tower": {"widths": [3]},
    "annealing_epochs": 2,
}
STEPS_PER_EPOCH = 5
DATA = separable(train_rows=110, valid_rows=100)  # 4 steps an epoch


def small(changes: dict[str, object], num_steps: int = 10) -> Model:
    """Return a small AdaSparse after this many training steps, alpha at its end by default."""
    model = randomise(Model(Config.model_validate({**SMALL, **changes}), SCHEMA))
    model.begin_training(STEPS_PER_EPOCH)
    model.num_steps.fill_(num_steps)
    return model


def factors(model: Model, rows: Batch) -> list[Tensor]:
    """Return what every pruner returns on these rows, in the order of the layers."""
    return outputs_of(list(model.pruners), model, rows)


def input_factors(model: Model, rows: Batch) -> list[Tensor]:
    """Return what the pruner of the inputs returns on these rows."""
    assert model.input_pruner is not None
    return outputs_of([model.input_pruner], model, rows)


def outputs_of(parts: list[nn.Module], model: Model, rows: Batch) -> list[Tensor]:
    """Return what parts of a model return on these rows, in the order of their calls."""
    seen: list[Tensor] = []
    handles = [
        part.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
        for part in parts
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


@pytest.mark.parametrize("prune_embeddings", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("is_training", [False, True])
def test_every_option_equals_the_reference_in_training_and_evaluation(
    prune_embeddings: bool, batch_norm: bool, is_training: bool
) -> None:
    options = {"prune_embeddings": prune_embeddings, "batch_norm": batch_norm, "threshold": 0.4}
    model, rows = small(options).train(is_training), batch(rows=9)
    expected = logits(model, rows)  # before the statistics move
    assert_same_with_gradients(model, model(rows), expected)


@pytest.mark.parametrize("form", ["binarization", "fusion"])
def test_the_comparisons_with_the_reference_include_pruned_and_kept_neurons(form: str) -> None:
    model = small({"form": form, "threshold": 0.4})
    for pi_BH in [*factors(model, batch(rows=9)), *input_factors(model, batch(rows=9))]:
        assert 0 < int((pi_BH == 0).sum()) < pi_BH.numel()


def test_binary_factors_are_zero_or_one_and_still_train_the_pruner() -> None:
    model, rows = small({"form": "binarization"}), batch(rows=60)
    assert all(set(pi_BH.unique().tolist()) == {0.0, 1.0} for pi_BH in factors(model, rows))
    model(rows).square().sum().backward()
    assert all(pruner.linear.weight.grad.abs().sum() > 0 for pruner in model.pruners)


def test_the_embedding_of_the_scenario_and_numbers_are_never_weighted() -> None:
    torch.manual_seed(0)
    model = randomise(Model(Config.model_validate(SMALL), WITH_LISTS))
    rows = in_scenario(batch(WITH_LISTS, rows=9), 1)
    assert model.input_pruner is not None
    with torch.no_grad():
        model.input_pruner.linear.weight.zero_()
        model.input_pruner.linear.bias.fill_(-100.0)  # prunes all that it can
    model.num_steps.fill_(10)
    seen: list[Tensor] = []
    model.hidden[0].register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    model(rows)
    kept = seen[0].any(dim=0)
    num_lists, num_fields = len(WITH_LISTS.lists), WITH_LISTS.num_fields
    expected = [False] * 2 * num_fields + [True] * 2 + [False] * 2 * num_lists + [True]
    assert kept.tolist() == expected
    e_d = model.embedding.table.weight[sum(WITH_LISTS.vocabulary_sizes) + 1]
    assert torch.equal(seen[0][:, 2 * num_fields : 2 * num_fields + 2], e_d.expand(9, 2))
    assert torch.equal(seen[0][:, -1:], rows.numeric_BN)


def test_alpha_grows_from_a_tenth_to_five_in_training_steps_alone() -> None:
    model, rows = small({}, num_steps=0), batch()  # 2 epochs of 5 steps
    alphas = []
    for _ in range(12):
        alphas.append(float(model.alpha(torch.float64)))
        model.eval()(rows)
        model.train()(rows)
    assert alphas == pytest.approx([0.1 + 0.49 * step for step in range(10)] + [5.0, 5.0])


def test_a_restored_model_continues_at_its_alpha() -> None:
    source, target = small({}, num_steps=7), small({}, num_steps=0)
    source.begin_training(9)
    target.load_state_dict(source.state_dict())
    assert float(target.alpha(torch.float64)) == float(source.alpha(torch.float64)) > 1


def alphas_after(
    epochs: float, protocol: str = MDMT, fixed_steps: FixedSteps | None = None
) -> list[float]:
    """Train a default AdaSparse and return alpha of each of its models."""
    config = TrainConfig(batch_size=32, patience=0, epochs=epochs, evaluations_per_epoch=1)
    conditions = Conditions(
        DATA,
        DATA.full_schema,
        config,
        seed=3,
        objective=objective_named("macro_auc"),
        device=CPU,
        fixed_steps=fixed_steps,
    )
    model = Case("adasparse", protocol).build(DATA.full_schema, 3)
    fit(model, conditions, Watch())
    parts = [part for part in model.modules() if isinstance(part, Model)]
    return [float(part.alpha(torch.float64)) for part in parts]


@pytest.mark.parametrize("protocol", [MDMT, PER_SCENARIO, PER_TASK])
def test_alpha_is_at_its_end_after_one_epoch_whatever_the_rows_and_the_batch(protocol: str) -> None:
    assert all(alpha == pytest.approx(5.0) for alpha in alphas_after(1.0, protocol))
    assert all(alpha == pytest.approx(2.55) for alpha in alphas_after(0.5, protocol))


def test_a_length_that_is_given_anneals_over_its_own_steps_an_epoch() -> None:
    assert alphas_after(1.0, fixed_steps=FixedSteps(3, per_epoch=6)) == pytest.approx([2.55])
