"""Normalised inputs: every column of x by its mean and variance over the batch, then over training."""

from dataclasses import replace

import pytest
import torch
from cases import Case, every_case_in_turn, every_model
from small_models import SCHEMA, WITH_SEQUENCES, batch, randomise

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.partitioned_norm import EPSILON
from hinet_search.training.stack import Stack
from hinet_search.training.trial_config import FeatureConfig

NORMALISED = replace(SCHEMA, has_normalised_inputs=True)


def plain_and_normalised(schema: Schema) -> tuple[FeatureEmbedding, FeatureEmbedding]:
    """Return an embedding that does not normalise, and one of the same weights that does."""
    plain = FeatureEmbedding(schema, 4, with_scenario=True)
    normalised = FeatureEmbedding(
        replace(schema, has_normalised_inputs=True), 4, with_scenario=True
    )
    randomise(plain)
    randomise(normalised)
    for part in (plain, normalised):
        part.train()
    normalised.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        normalised.norm.gamma_D.fill_(1.0)
        normalised.norm.beta_D.fill_(0.0)
    return plain, normalised


@pytest.mark.parametrize("schema", [SCHEMA, WITH_SEQUENCES], ids=["fields", "sequences"])
def test_in_training_every_column_is_normalised_as_a_loop_over_its_rows_does(schema):
    plain, normalised = plain_and_normalised(schema)
    rows = batch(schema, rows=20)
    columns = []
    for column in plain(rows).T.tolist():
        mean = sum(column) / len(column)
        variance = sum((value - mean) ** 2 for value in column) / len(column)
        columns.append([(value - mean) / (variance + EPSILON) ** 0.5 for value in column])
    torch.testing.assert_close(normalised(rows), torch.tensor(columns, dtype=torch.float64).T)


def test_in_evaluation_a_row_is_normalised_by_the_batches_of_training_whatever_else_is_scored():
    plain, normalised = plain_and_normalised(SCHEMA)
    seen = [batch(rows=40, seed=seed) for seed in (1, 2)]
    for rows in seen:
        normalised(rows)
    x_SBD = torch.stack([plain(rows) for rows in seen])
    mean_D = x_SBD.mean(dim=1).mean(dim=0)
    variance_D = x_SBD.var(dim=1).mean(dim=0)  # unbiased, and a mean over the first batches
    normalised.eval()
    rows = batch(rows=6, seed=3)
    expected = (plain(rows) - mean_D) / (variance_D + EPSILON).sqrt()
    torch.testing.assert_close(normalised(rows), expected)
    alone = torch.cat([normalised(rows.select(torch.tensor([row]))) for row in range(6)])
    torch.testing.assert_close(alone, expected)


@every_case_in_turn
def test_a_model_scores_the_same_when_all_its_embeddings_shrink(case: Case):
    """So a penalty can keep embeddings small: what it takes is given back."""
    large, small = (case.build(NORMALISED).double().train() for _ in range(2))
    for model, factor in ((large, 1e6), (small, 1e5)):  # so that EPSILON does not matter
        for part in model.modules():
            if isinstance(part, FeatureEmbedding):
                part.table.weight.data.mul_(factor)
    rows = batch(NORMALISED, rows=96)
    torch.manual_seed(1)
    expected = large(rows)
    torch.manual_seed(1)  # of dropout
    torch.testing.assert_close(small(rows), expected, rtol=1e-4, atol=1e-6)


@every_model
def test_stacked_models_normalise_as_each_does_alone(case: Case):
    alone = [case.build(NORMALISED, seed).double().train() for seed in (1, 2)]
    twins = [case.build(NORMALISED, seed).double().train() for seed in (1, 2)]
    rows = batch(NORMALISED, rows=48)
    for model in (*alone, *twins):
        without_dropout(model)
    stack = Stack(twins)
    expected = torch.stack([model(rows) for model in alone])
    torch.testing.assert_close(stack.logits(rows), expected, rtol=1e-6, atol=1e-8)
    for model in (*alone, *twins):
        model.eval()
    torch.testing.assert_close(
        torch.stack([model(rows) for model in twins]),
        torch.stack([model(rows) for model in alone]),
        rtol=1e-6,
        atol=1e-8,
    )


def without_dropout(model: torch.nn.Module) -> None:
    for part in model.modules():
        if hasattr(part, "rate"):
            part.rate = 0.0


def test_the_parameters_of_normalisation_are_no_embeddings_of_ids():
    embedding = FeatureEmbedding(NORMALISED, 4)
    assert [name for name, _ in embedding.embedding_parameters()] == ["table.weight"]


def test_one_row_alone_is_trained_on_without_a_variance():
    _, normalised = plain_and_normalised(SCHEMA)
    row: Batch = batch(rows=1, scenarios=(0,))
    assert torch.isfinite(normalised(row)).all()


def test_the_setting_is_in_the_schema_and_other_schemas_are_stored_as_before():
    assert FeatureConfig(normalised=True).reading(SCHEMA, {}) == NORMALISED
    assert FeatureConfig().reading(SCHEMA, {}) == SCHEMA
    assert "normalised" not in FeatureConfig().model_dump(mode="json")
