"""Model size: parameters, bytes and FLOPs per row of a configuration, before it is trained."""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import nn

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.checks import available_memory
from hinet_search.data.schema import Schema
from hinet_search.models.layers.embedding import EmbeddingTable
from hinet_search.models.layers.measure import without_weights
from hinet_search.training.adam import Adam
from hinet_search.training.device import memory_errors_explained
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.touched_rows import LazyAdam
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trainable import BuiltModel, trainable
from hinet_search.training.trial_config import TrialConfig, is_network

BYTES = 4  # of a weight in fp32


@dataclass(frozen=True)
class TrainingBytes:
    """The bytes that a configuration keeps while it trains: weights and optimiser's moments."""

    weights: int
    moments: int

    @property
    def of_checkpoint(self) -> int:
        """Bytes of what a training resumes from: weights, the best ones so far, and moments."""
        return 2 * self.weights + self.moments


def num_parameters(config: TrialConfig, schema: Schema) -> int:
    """Count the model's parameters with its embeddings; no weights are allocated."""
    return sizes_of(config, schema)[0]


def sizes_of(config: TrialConfig, schema: Schema) -> tuple[int, int]:
    """Count the model's parameters: (all, without embeddings); no weights are allocated."""
    return _sizes_of(_untrained(config), schema)


@lru_cache(maxsize=64)
def _sizes_of(config: TrialConfig, schema: Schema) -> tuple[int, int]:
    return trainable(meta_model(config, schema), schema, torch.device("meta")).num_parameters()


def bytes_in_training(config: TrialConfig, schema: Schema) -> TrainingBytes:
    """Count the bytes of a model's training; what does not train by gradients has no moments."""
    whole = BYTES * num_parameters(config, schema)
    if not is_network(config.model_name):
        return TrainingBytes(whole, 0)
    if config.train.embedding_optimiser == "adam":
        return TrainingBytes(whole, Adam.moments_of_weight * whole)
    num_in_tables, num_rows = _tables_of(_untrained(config), schema)
    of_others = whole - BYTES * num_in_tables
    of_tables = BYTES * num_in_tables
    moments = (
        Adam.moments_of_weight * of_others
        + LazyAdam.moments_of_weight * of_tables
        + LazyAdam.moments_of_row * num_rows * BYTES
    )
    return TrainingBytes(of_others + of_tables, moments)


def check_model_fits(
    where: str, config: TrialConfig, schema: Schema, available_bytes: int | None = None
) -> None:
    """DataError when weights and moments exceed `available_bytes`, by default what is free.

    `config` is the default of an arm, `where` its place.
    """
    available = available_memory() if available_bytes is None else available_bytes
    trained = bytes_in_training(config, schema)
    needed = trained.weights + trained.moments
    if needed <= available:
        return
    num_weights, num_dense = sizes_of(config, schema)
    remedy = "make the default of its space smaller"
    if schema.vocabularies and num_dense < num_weights / 2:
        num_ids, column = max(zip(schema.vocabulary_sizes, schema.vocabularies, strict=True))
        largest = f"column '{column}' has {num_ids:,} ids"
        remedy = f"raise minimum_frequency ({largest}) or lower embedding_dim"
    raise DataError(
        f"{where}: {num_weights:,} parameters of the default configuration, with the moments of "
        f"its optimiser, must fit into {available / 2**30:.1f} GiB of memory, got "
        f"{needed / 2**30:.1f} GiB",
        remedy=remedy,
    )


@lru_cache(maxsize=64)
def _tables_of(config: TrialConfig, schema: Schema) -> tuple[int, int]:
    """Count the weights of all tables of ids, and their rows."""
    model = meta_model(config, schema)
    assert isinstance(model, nn.Module), "asked of a network"
    tables = [part for part in model.modules() if isinstance(part, EmbeddingTable)]
    return sum(table.weight.numel() for table in tables), sum(len(table.weight) for table in tables)


def _untrained(config: TrialConfig) -> TrialConfig:
    """Return the configuration with default training, so that equal models are measured once."""
    return replace(config, train=TrainConfig(), features=FeatureConfig())


def meta_model(config: TrialConfig, schema: Schema) -> BuiltModel:
    """Build the model without memory for its weights; it can be counted, not run.

    Errors: ConfigurationError if it is too large to be counted.
    """
    try:
        with without_weights():
            return config.build(schema)
    except RuntimeError as error:  # a size in bytes beyond 64 bits
        raise ConfigurationError(
            f"{config.model_name}: its settings must give a number of weights "
            f"that can be counted, but: {str(error).splitlines()[0]}",
            remedy="lower its widths and counts",
        ) from error


def flops_of(config: TrialConfig, schema: Schema) -> int:
    """Count the FLOPs of the forward pass of one row.

    They do not depend on the number of ids, so each field gets two.
    Errors: ConfigurationError if all other weights do not fit into memory.
    """
    small = replace(schema, vocabulary_sizes=(2,) * len(schema.vocabulary_sizes))
    try:
        with memory_errors_explained(torch.device("cpu"), "its weights"):
            return _flops_of(_untrained(config), small)
    except MemoryError as error:
        raise ConfigurationError(
            f"{config.model_name}: must fit into memory, but it ran out: {error}",
            remedy="lower its widths and counts",
        ) from error


@lru_cache(maxsize=64)
def _flops_of(config: TrialConfig, small: Schema) -> int:
    with torch.random.fork_rng(devices=()):
        return trainable(config.build(small), small, torch.device("cpu")).flops_per_row()
