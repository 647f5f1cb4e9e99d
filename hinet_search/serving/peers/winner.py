"""Winner: a network that another library is to train, and what no library can say of its inputs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.columns import Columns
from hinet_search.data.peers.rules import Unread
from hinet_search.data.peers.said import flat
from hinet_search.data.schema import Schema
from hinet_search.models.layers.protocol import MDMT
from hinet_search.models.layers.unit_scale import EPSILON
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.peers.rows import PeerColumns, columns_of
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import PASSES
from hinet_search.training.trial_config import TrialConfig, whole_config

NAME_ARM = "name an arm with such a model: hinet-search export STUDY/ARM"


@dataclass(frozen=True)
class Winner:
    """An exported network of one member, and the rows of its splits if they are known."""

    exported: ExportedModel
    config: TrialConfig
    schema: Schema
    network: Any  # a torch module, whose layers are those of its model
    rows: Mapping[str, Columns]

    @property
    def title(self) -> str:
        """Study and arm."""
        return f"{self.exported.file.study}/{self.exported.file.name}"

    @property
    def name(self) -> str:
        """The name of the data set: that of the study in letters of ASCII, digits and _."""
        return re.sub("[^A-Za-z0-9_]", "_", self.exported.file.study)

    @property
    def model(self) -> str:
        """The name of its model."""
        return self.config.model_name

    @property
    def architecture(self) -> Any:
        """The Config of its model."""
        return self.config.model

    @cached_property
    def columns(self) -> PeerColumns:
        """The columns of its encoded rows."""
        return columns_of(self.schema, self.exported.file.inputs.scenario.column)

    @property
    def seed(self) -> int:
        """The seed of its training."""
        return self.exported.members[0].seed

    @property
    def scale(self) -> Tensor | float:
        """What all inputs are multiplied by, see UnitScale."""
        scale = self.network.embedding.scale
        return 1.0 if scale is None else torch.rsqrt(scale.mean_square + EPSILON)

    @property
    def reads_plainly(self) -> bool:
        """Whether lists are pooled by their mean, and numbers are numbers alone."""
        are_means = all(each.pooling == "mean" for each in self.schema.pooled_lists)
        return are_means and not self.schema.sequences and not self.schema.number_encodings

    @cached_property
    def settings(self) -> Mapping[str, Value]:
        """All settings by their dotted names but those of no effect; passes are whole."""
        settings = flat(self.config.sections)
        passes = settings[PASSES]
        assert isinstance(passes, float)
        settings[PASSES] = ceil(passes)
        of_no_effect = ["model.slots"] if self.schema.num_scenarios == 1 else []
        if settings.get("model.cross.kind") == "full":
            of_no_effect += ["model.cross.rank", "model.cross.num_experts"]
        return {name: value for name, value in settings.items() if name not in of_no_effect}

    @property
    def untold(self) -> tuple[Unread, ...]:
        """What no configuration of another library says of it."""
        return (*self._untold_of_inputs(), *self._untold_of_rows())

    def _untold_of_inputs(self) -> Iterator[Unread]:
        for pooled in self.schema.pooled_lists:
            if pooled.pooling != "mean":
                yield Unread(
                    f"list {pooled.name}", "is pooled by its mean there", (pooled.pooling,)
                )
        for sequence in self.schema.sequences:
            why = "is left out: no row there has the earlier rows of a key"
            yield Unread(f"sequence {sequence.name}", why)
        for name, kind in zip(self.schema.numeric, self.schema.number_encodings, strict=False):
            if kind != "standardised":
                yield Unread(f"number {name}", "is read as a number alone there", (kind,))
        for name, num_buckets in self.exported.file.inputs.hashed.items():
            if name in self.schema.categorical:
                why = "has ids of buckets of a hash: feature_vocab.json has those instead of values"
                yield Unread(f"feature {name}", why, (num_buckets,))
        if self.schema.has_unit_scale:
            yield Unread(
                "features.unit_scale",
                "inputs are not divided there: rate and patience as found may not suit",
            )

    def _untold_of_rows(self) -> Iterator[Unread]:
        passes = self.config.train.passes
        if passes != ceil(passes):
            yield Unread(PASSES, "passes are whole there: rounded up", (passes,))
        if any(columns.weight_R is not None for columns in self.rows.values()):
            yield Unread("weight", "rows weigh alike there")
        for scenario, task in self.schema.absent_cells:
            yield Unread(f"{task} of {scenario}", "has no labels; rows have 0 there")
        if self.exported.file.calibration:
            yield Unread("calibration", "is of these weights; predictions there are not calibrated")
        derived = self.exported.file.inputs.derived
        if derived:
            why = "are in the rows as they were in training; new rows need them made as here"
            yield Unread("inputs made of labels, lists or earlier rows", why, derived)


def winner_of(exported: ExportedModel, rows: Mapping[str, Columns]) -> Winner:
    """Return the network of an exported model; ConfigurationError unless it is one joint network.

    `rows` have the chosen inputs of this network.
    """
    file = exported.file
    title = f"{file.study}/{file.name}"
    if len(exported.members) > 1:
        raise ConfigurationError(
            f"{title}: must be one network for another library, "
            f"got {len(exported.members)} members",
            remedy="name an arm, and leave out --seeds all: hinet-search export STUDY/ARM",
        )
    config = whole_config(file.models[0].model, file.models[0].settings)
    network = exported.members[0].model.model
    if not isinstance(network, nn.Module):
        raise ConfigurationError(
            f"{title}: must be a network for another library, got {config.model_name}",
            remedy=NAME_ARM,
        )
    protocol = getattr(config.model, "protocol", MDMT)
    if protocol != MDMT:
        raise ConfigurationError(
            f"{title}: must be one joint network (model.protocol {MDMT}), got {protocol}",
            remedy=NAME_ARM,
        )
    if file.inputs.amount_units:
        raise ConfigurationError(
            f"{title}: labels must be 0 or 1 for another library, "
            f"got amounts of {', '.join(file.inputs.amount_units)}",
            remedy="search the other tasks in a study of their own, and export that",
        )
    return Winner(exported, config, exported.encoder.schema_of(config.features), network, rows)
