"""Facts that hold for every model; models are discovered by their files."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases import Case, every_case, every_model
from small_models import (
    SCHEMA,
    WITH_LISTS,
    WITH_SEQUENCES,
    assert_same_with_gradients,
    batch,
    randomise,
    take,
)
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.contracts import Explainable, IndependentParts
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.measure import (
    count_parameters,
    draw,
    flops_per_row,
    outline,
    synthetic_batch,
)
from hinet_search.training.trial_config import build_config, known_names


def single_precision(source: Batch) -> Batch:
    return replace(source, numeric_BN=source.numeric_BN.float())


def labels(rows: int) -> torch.Tensor:
    return torch.randint(
        2, (rows, SCHEMA.num_tasks), generator=torch.Generator().manual_seed(5)
    ).float()


@every_case
@pytest.mark.parametrize("schema", [SCHEMA, WITH_SEQUENCES], ids=["plain", "sequences"])
def test_gradient_reaches_every_parameter_when_all_scenarios_are_present(
    case: Case, schema: Schema
) -> None:
    model, rows = case.build(schema), single_precision(batch(schema, rows=96))
    binary_cross_entropy_with_logits(model(rows), labels(96)).backward()
    unreached = [
        path for path, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert unreached == []


@every_model
def test_sixty_four_rows_can_be_memorised(case: Case) -> None:
    model, rows = case.build().eval(), single_precision(batch(rows=64))
    rows = replace(
        rows, numeric_BN=torch.randn(64, 1, generator=torch.Generator().manual_seed(1)) * 3
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    loss, steps = torch.tensor(torch.inf), 0
    while loss.item() >= 0.1 and steps < 150:
        optimiser.zero_grad()
        loss = binary_cross_entropy_with_logits(model(rows), labels(64))
        loss.backward()
        optimiser.step()
        steps += 1
    assert loss.item() < 0.1


@every_case
def test_the_same_seed_gives_the_same_numbers_also_with_dropout(case: Case) -> None:
    rows = single_precision(batch())
    first, second = case.build(seed=3).train()(rows), case.build(seed=3).train()(rows)
    assert torch.equal(first, second)


@every_case
def test_a_configured_dropout_is_active_in_training(case: Case) -> None:
    model, rows = case.build(), single_precision(batch())
    configured = any(setting.endswith("dropout") for setting in known_names(case.name))
    assert torch.equal(model.train()(rows), model(rows)) != configured


@every_model
def test_a_dropout_is_at_least_0_and_below_1(case: Case) -> None:
    """With 1 nothing would be left to rescale."""
    for setting in known_names(case.name):
        if setting.endswith(".dropout"):
            build_config(case.name, {setting: 0.0})
            for wrong in (-0.01, 1.0):
                with pytest.raises(ConfigurationError, match="dropout"):
                    build_config(case.name, {setting: wrong})


@every_case
def test_its_parameters_can_be_counted_without_memory(case: Case) -> None:
    with torch.device("meta"):
        counted = count_parameters(case.build())
    assert counted == count_parameters(case.build())


@every_case
def test_a_row_alone_gets_the_same_logits_as_in_a_batch(case: Case) -> None:
    model, rows = randomise(case.build()), batch()
    together = model(rows)
    alone = torch.cat([model(take(rows, torch.tensor([row]))) for row in range(len(rows))])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-10)


@every_case
@pytest.mark.parametrize("scenario", range(SCHEMA.num_scenarios))
def test_rows_keep_their_logits_when_a_scenario_is_absent(case: Case, scenario: int) -> None:
    model, rows = randomise(case.build()), batch()
    others = (rows.scenario_B != scenario).nonzero()[:, 0]
    torch.testing.assert_close(model(take(rows, others)), model(rows)[others], rtol=0, atol=1e-10)


@every_case
def test_a_row_sees_its_own_scenario(case: Case) -> None:
    model, rows = randomise(case.build()), batch()
    moved = replace(rows, scenario_B=(rows.scenario_B + 1) % SCHEMA.num_scenarios)
    assert ((model(rows) - model(moved)).abs() > 1e-6).all()


@every_case
@pytest.mark.parametrize(
    "schema",
    [
        Schema(("a", "b"), ("click",), ("user",), (4,), ()),
        Schema(("a", "b"), ("click",), (), (), ("age", "price")),
        Schema(("a",), ("click", "order"), ("user",), (4,), ("age",)),
        WITH_LISTS,
        WITH_SEQUENCES,
    ],
    ids=["no numeric inputs", "no categorical fields", "one scenario", "lists", "sequences"],
)
def test_degenerate_schemas_train_and_give_finite_logits(case: Case, schema: Schema) -> None:
    model, rows = case.build(schema), single_precision(batch(schema, rows=6))
    logits = model(rows)
    logits.sum().backward()
    assert logits.shape == (6, schema.num_tasks)
    assert logits.isfinite().all()


@every_case
def test_ids_of_32_bits_give_the_same_logits_as_of_64(case: Case) -> None:
    model, rows = case.build().eval(), single_precision(batch())
    narrow = replace(rows, ids_BF=rows.ids_BF.int(), scenario_B=rows.scenario_B.short())
    assert torch.equal(model(narrow), model(rows))


@every_case
def test_products_in_bf16_give_nearly_the_same_logits_and_full_precision_gradients(
    case: Case,
) -> None:
    model, rows = randomise(case.build()).float().eval(), single_precision(batch(rows=96))
    exact, loss = model(rows).detach(), binary_cross_entropy_with_logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(rows).float()
    loss(rough, labels(96)).backward()
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}
    assert not torch.equal(rough, exact)
    assert torch.corrcoef(torch.stack([rough.detach().flatten(), exact.flatten()]))[0, 1] > 0.999


@every_case
@pytest.mark.parametrize("schema", [WITH_LISTS, WITH_SEQUENCES], ids=["lists", "sequences"])
def test_the_flops_of_a_row_are_those_that_torch_counts(case: Case, schema: Schema) -> None:
    model = case.build(schema).eval()
    rows = synthetic_batch(schema, 8 * schema.num_scenarios, seed=0)
    with FlopCounterMode(display=False) as counter:
        model(rows)
    assert flops_per_row(model, schema) == round(counter.get_total_flops() / len(rows))


@every_case
@pytest.mark.parametrize("schema", [WITH_LISTS, WITH_SEQUENCES], ids=["lists", "sequences"])
def test_sparse_gradients_of_tables_are_the_dense_ones(case: Case, schema: Schema) -> None:
    gradients = []
    for is_sparse in (False, True):
        model = case.build(schema).eval()
        tables = [
            module.table for module in model.modules() if isinstance(module, FeatureEmbedding)
        ]
        for table in tables:
            table.sparse_gradient = is_sparse
        model(single_precision(batch(schema, rows=40))).square().sum().backward()
        assert {table.weight.grad.is_sparse for table in tables} <= {is_sparse}
        gradients.append([table.weight.grad.to_dense() for table in tables])
    for dense, sparse in zip(*gradients, strict=True):
        torch.testing.assert_close(sparse, dense)


@every_model
def test_a_plain_reference_exists(case: Case) -> None:
    assert (Path(__file__).parent / "reference" / f"{case.name}.py").exists()


@every_model
@pytest.mark.parametrize(
    ("schema", "scenarios"),
    [
        (SCHEMA, (0, 1, 2)),
        (SCHEMA, (1,)),
        (WITH_LISTS, (2, 0)),
        (WITH_SEQUENCES, (2, 0)),
    ],
    ids=["plain", "one scenario", "lists", "sequences"],
)
def test_the_batched_model_equals_its_plain_reference_forward_and_backward(
    case: Case, schema: Schema, scenarios: tuple[int, ...]
) -> None:
    model, rows = randomise(case.build(schema)), batch(schema, rows=6, scenarios=scenarios)
    plain = importlib.import_module(f"reference.{case.name}").logits(model, rows)
    assert_same_with_gradients(model, model(rows), plain)


@every_case
def test_all_embeddings_of_ids_are_feature_embeddings(case: Case) -> None:
    model = case.build()
    inside = set()
    for part in model.modules():
        if isinstance(part, FeatureEmbedding):
            inside |= {id(p) for p in part.parameters()}
    widths = {p.shape[0] for p in model.parameters() if id(p) in inside}
    assert min(widths) >= sum(SCHEMA.vocabulary_sizes)


# The scenario is a field of all others' inputs.
NO_SCENARIO_FIELD = {"hinet", "m2m", "pepnet", "single", "star"}


@every_model
def test_the_scenario_is_a_field_of_the_inputs_where_nothing_else_tells_it(case: Case) -> None:
    embeddings = [part for part in case.build().modules() if isinstance(part, FeatureEmbedding)]
    has_field = case.name not in NO_SCENARIO_FIELD
    assert {embedding.with_scenario for embedding in embeddings} == {has_field}


@every_case
def test_weights_restored_from_a_state_dict_give_the_same_logits(case: Case) -> None:
    source, target, rows = randomise(case.build()), randomise(case.build(), seed=1), batch()
    target.load_state_dict(source.state_dict())
    assert torch.equal(source(rows), target(rows))


@every_case
def test_independent_parts_hold_every_parameter_and_every_cell_exactly_once(case: Case) -> None:
    model = case.build()
    if isinstance(model, IndependentParts):
        parts = model.independent_parts()
        held = [id(p) for part in parts for p in part.module.parameters()]
        assert sorted(held) == sorted(id(p) for p in model.parameters())
        cells = [cell for part in parts for cell in part.cells]
        assert sorted(cells) == list(range(SCHEMA.num_scenarios * SCHEMA.num_tasks))


@every_case
def test_a_part_alone_decides_its_cells(case: Case) -> None:
    model, rows = randomise(case.build()), batch()
    before = model(rows).detach()
    for part in model.independent_parts() if isinstance(model, IndependentParts) else ():
        state = part.module.state_dict()
        weights_before = {name: weights.clone() for name, weights in state.items()}
        randomise(part.module, seed=7)
        changed = {
            SCHEMA.num_tasks * int(rows.scenario_B[row]) + task
            for row, task in (model(rows) != before).nonzero().tolist()
        }
        assert changed == set(part.cells)
        part.module.load_state_dict(weights_before)


@every_case
@pytest.mark.parametrize("schema", [WITH_LISTS, WITH_SEQUENCES], ids=["lists", "sequences"])
def test_its_outline_is_drawn_within_a_hundred_columns_and_ends_at_its_totals(
    case: Case, schema: Schema
) -> None:
    model = case.build(schema)
    rows = outline(model, schema)
    assert max(map(len, draw(rows).splitlines())) <= 100
    parts = [row for row in rows if row.depth == 1]
    assert sum(row.parameters * row.num_alike for row in parts) == rows[0].parameters
    assert rows[0].parameters == count_parameters(model)[0]
    assert rows[0].flops_per_row == flops_per_row(model, schema)


@every_case
def test_gate_weights_are_means_over_the_rows_of_a_scenario(case: Case) -> None:
    model, rows = randomise(case.build()), batch()
    gates = model.insight(rows).gates if isinstance(model, Explainable) else ()
    assert all(abs(sum(gate.weights) - 1) < 1e-9 for gate in gates)
    for number, scenario in enumerate(SCHEMA.scenarios if gates else ()):
        of_scenario = take(rows, (rows.scenario_B == number).nonzero()[:, 0])
        alone = model.insight(of_scenario).gates
        beside = [gate for gate in gates if gate.where.startswith(f"{scenario}/")]
        assert [gate.where for gate in alone] == [gate.where for gate in beside]
        for left, right in zip(alone, beside, strict=True):
            assert len(left.experts) == len(left.weights)
            torch.testing.assert_close(torch.tensor(left.weights), torch.tensor(right.weights))
