"""What every model must do, whichever it is: models are found by their files, none is named here."""

import importlib
from pathlib import Path

import pytest
import torch
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise, take
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hinet_search import plugins
from hinet_search.config import known_names
from hinet_search.nn.contracts import Explains, IndependentCells
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.measure import count_parameters
from hinet_search.schema import Batch, Schema

PACKAGE = "hinet_search.models"
every_model = pytest.mark.parametrize("name", plugins.names(PACKAGE))


def build(name: str, schema: Schema = SCHEMA, seed: int = 0) -> nn.Module:
    module = plugins.load(PACKAGE, name)
    torch.manual_seed(seed)
    return module.Model(module.Config(), schema)


def single_precision(source: Batch) -> Batch:
    return Batch(source.ids_BF, source.numeric_BN.float(), source.scenario_B)


def labels(rows: int) -> torch.Tensor:
    return torch.randint(2, (rows, SCHEMA.num_tasks), generator=torch.Generator().manual_seed(5)).float()


@every_model
def test_logits_have_a_row_per_row_and_a_column_per_task(name: str) -> None:
    assert build(name)(single_precision(batch(rows=9))).shape == (9, 2)


@every_model
def test_gradient_reaches_every_parameter_when_all_scenarios_are_present(name: str) -> None:
    model = build(name)
    binary_cross_entropy_with_logits(model(single_precision(batch(rows=96))), labels(96)).backward()
    unreached = [path for path, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unreached == []


@every_model
def test_sixty_four_rows_can_be_learned_by_heart(name: str) -> None:
    model, rows = build(name).eval(), single_precision(batch(rows=64))
    rows = Batch(rows.ids_BF, torch.randn(64, 1, generator=torch.Generator().manual_seed(1)) * 3, rows.scenario_B)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        loss = binary_cross_entropy_with_logits(model(rows), labels(64))
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1


@every_model
def test_the_same_seed_gives_the_same_numbers_also_with_dropout(name: str) -> None:
    rows = single_precision(batch())
    first, second = build(name, seed=3).train()(rows), build(name, seed=3).train()(rows)
    assert torch.equal(first, second)


@every_model
def test_another_seed_gives_other_numbers(name: str) -> None:
    rows = single_precision(batch())
    assert not torch.equal(build(name, seed=3).eval()(rows), build(name, seed=4).eval()(rows))


@every_model
def test_a_configured_dropout_is_active_in_training(name: str) -> None:
    model, rows = build(name), single_precision(batch())
    configured = any(setting.endswith("dropout") for setting in known_names(name))
    assert torch.equal(model.train()(rows), model(rows)) != configured


@every_model
def test_nothing_is_random_in_evaluation(name: str) -> None:
    model, rows = build(name).eval(), single_precision(batch())
    assert torch.equal(model(rows), model(rows))


@every_model
def test_its_parameters_can_be_counted_without_memory(name: str) -> None:
    with torch.device("meta"):
        counted = count_parameters(build(name))
    assert counted == count_parameters(build(name))


@every_model
def test_a_row_alone_gets_the_logits_that_it_gets_in_company(name: str) -> None:
    model, rows = randomise(build(name)), batch()
    together = model(rows)
    alone = torch.cat([model(take(rows, torch.tensor([row]))) for row in range(len(rows))])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-10)


@every_model
@pytest.mark.parametrize("scenario", range(SCHEMA.num_scenarios))
def test_rows_keep_their_logits_when_a_scenario_is_absent(name: str, scenario: int) -> None:
    model, rows = randomise(build(name)), batch()
    others = (rows.scenario_B != scenario).nonzero()[:, 0]
    torch.testing.assert_close(model(take(rows, others)), model(rows)[others], rtol=0, atol=1e-10)


@every_model
def test_permuting_the_rows_permutes_the_logits(name: str) -> None:
    model, rows = randomise(build(name)), batch()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model(take(rows, order)), model(rows)[order], rtol=0, atol=1e-10)


@every_model
def test_a_row_sees_its_own_scenario(name: str) -> None:
    model, rows = randomise(build(name)), batch()
    moved = Batch(rows.ids_BF, rows.numeric_BN, (rows.scenario_B + 1) % SCHEMA.num_scenarios)
    assert ((model(rows) - model(moved)).abs() > 1e-6).all()


@every_model
@pytest.mark.parametrize(
    "schema",
    [
        Schema(("a", "b"), ("click",), ("user",), (4,), ()),
        Schema(("a", "b"), ("click",), (), (), ("age", "price")),
        Schema(("a",), ("click", "order"), ("user",), (4,), ("age",)),
    ],
    ids=["no numeric inputs", "no categorical fields", "one scenario"],
)
def test_degenerate_schemas_train_and_give_finite_logits(name: str, schema: Schema) -> None:
    model, rows = build(name, schema), single_precision(batch(schema, rows=6))
    logits = model(rows)
    logits.sum().backward()
    assert logits.shape == (6, schema.num_tasks)
    assert logits.isfinite().all()


@every_model
def test_ids_of_32_bits_give_the_same_logits_as_of_64(name: str) -> None:
    model, rows = build(name).eval(), single_precision(batch())
    narrow = Batch(rows.ids_BF.int(), rows.numeric_BN, rows.scenario_B.short())
    assert torch.equal(model(narrow), model(rows))


@every_model
def test_a_plain_reference_exists(name: str) -> None:
    assert (Path(__file__).parent / "reference" / f"{name}.py").exists()


@every_model
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)])
def test_the_batched_model_equals_its_plain_reference_forward_and_backward(
    name: str, scenarios: tuple[int, ...]
) -> None:
    model, rows = randomise(build(name)), batch(rows=6, scenarios=scenarios)
    plain = importlib.import_module(f"reference.{name}").logits(model, rows)
    assert_same_with_gradients(model, model(rows), plain)


@every_model
def test_all_embeddings_of_ids_are_feature_embeddings(name: str) -> None:
    model = build(name)
    inside = {id(p) for part in model.modules() if isinstance(part, FeatureEmbedding) for p in part.parameters()}
    widths = {p.shape[0] for p in model.parameters() if id(p) in inside}
    assert min(widths) >= sum(SCHEMA.vocabulary_sizes)


@every_model
def test_weights_restored_from_a_state_dict_give_the_same_logits(name: str) -> None:
    source, target, rows = randomise(build(name)), randomise(build(name), seed=1), batch()
    target.load_state_dict(source.state_dict())
    assert torch.equal(source(rows), target(rows))


@every_model
def test_independent_cells_hold_every_parameter_exactly_once(name: str) -> None:
    model = build(name)
    if isinstance(model, IndependentCells):
        held = [id(p) for row in model.cell_modules() for cell in row for p in cell.parameters()]
        assert sorted(held) == sorted(id(p) for p in model.parameters())
        assert [len(row) for row in model.cell_modules()] == [SCHEMA.num_tasks] * SCHEMA.num_scenarios


@every_model
def test_mean_gate_weights_of_a_model_that_explains_itself_sum_to_one(name: str) -> None:
    model = randomise(build(name))
    gates = model.insight(batch()).gates if isinstance(model, Explains) else ()
    assert all(abs(sum(gate.weights) - 1) < 1e-9 and len(gate.experts) == len(gate.weights) for gate in gates)
