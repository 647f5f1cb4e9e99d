"""Sizing: how large the model of a configuration is and what a row costs it, before anything is trained."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hinet_search.config import FeatureConfig, TrialConfig
from hinet_search.schema import Schema
from hinet_search.training.config import TrainConfig
from hinet_search.training.trainable import BuiltModel, trainable


def num_parameters(config: TrialConfig, schema: Schema) -> int:
    """Parameters of the model with its embeddings; nothing is allocated."""
    return sizes_of(config, schema)[0]


def sizes_of(config: TrialConfig, schema: Schema) -> tuple[int, int]:
    """Parameters of the model: (all, without embeddings); nothing is allocated."""
    return _sizes_of(_untrained(config), schema)


@lru_cache(maxsize=64)
def _sizes_of(config: TrialConfig, schema: Schema) -> tuple[int, int]:
    return trainable(meta_model(config, schema), schema, torch.device("meta")).num_parameters()


def _untrained(config: TrialConfig) -> TrialConfig:
    """All that a model is built from beside its schema: what differs in training alone is measured once."""
    return replace(config, train=TrainConfig(), features=FeatureConfig())


def meta_model(config: TrialConfig, schema: Schema) -> BuiltModel:
    """The model without memory for its weights: it can be counted, not run."""
    with torch.device("meta"), _NothingDrawn():
        return config.build(schema)


class _NothingDrawn(TorchFunctionMode):
    """Weights are left as they are: to draw those without memory torch would load its compiler, which takes a second."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if function in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return given["tensor"] if getattr(function, "__module__", "") == nn.init.__name__ else function(*args, **given)


def flops_of(config: TrialConfig, schema: Schema) -> int:
    """FLOPs of one forward row. They do not depend on how many ids there are, so each field is given two."""
    return _flops_of(_untrained(config), replace(schema, vocabulary_sizes=(2,) * len(schema.vocabulary_sizes)))


@lru_cache(maxsize=64)
def _flops_of(config: TrialConfig, small: Schema) -> int:
    with torch.random.fork_rng(devices=()):
        return trainable(config.build(small), small, torch.device("cpu")).flops_per_row()
