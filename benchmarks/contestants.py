"""What is timed: our models, of the same sizes as their plain counterparts and without dropout.

HiNet and STAR see no scenario field: they pick weights by it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

import plain
import plain_scenarios
from hinet_search.data.schema import Schema
from hinet_search.models import hinet, mmoe, ple, shared_bottom, star
from hinet_search.models.hinet import ScenarioConfig
from hinet_search.models.layers.cgc import CGCConfig
from hinet_search.models.layers.experts import ExpertConfig, TowerConfig
from hinet_search.models.layers.san import SANConfig
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trial_config import TrialConfig

SEED = 0
EMBEDDING, HIDDEN, TOWER, NUM_EXPERTS = 16, (128, 64), (32,), 4
NUM_SHARED_OF_PLE = 2
HINET = plain_scenarios.HiNetSizes(
    embedding_dim=EMBEDDING,
    num_sub_experts=NUM_EXPERTS,
    sub_expert=HIDDEN,
    san_embedding=16,
    num_shared_experts=2,
    expert=(64,),
    tower=TOWER,
)


@dataclass(frozen=True)
class Contest:
    """One model in both forms; each call builds another one of the same weights."""

    name: str
    ours: Callable[[], nn.Module]
    plain: Callable[[], nn.Module]


def hinet_config(san: SANConfig | None = None) -> hinet.Config:
    """HiNet of the sizes above."""
    return hinet.Config(
        embedding_dim=HINET.embedding_dim,
        scenario=ScenarioConfig(
            num_shared_sub_experts=HINET.num_sub_experts,
            num_specific_sub_experts=HINET.num_sub_experts,
            widths=HINET.sub_expert,
            dropout=0.0,
        ),
        san=san or SANConfig(embedding_dim=HINET.san_embedding),
        cgc=CGCConfig(
            num_shared_experts=HINET.num_shared_experts, widths=HINET.expert, dropout=0.0
        ),
        tower=TowerConfig(widths=HINET.tower),
    )


def built(config: TrialConfig, schema: Schema) -> nn.Module:
    """The network of a configuration."""
    network = config.build(schema)
    assert isinstance(network, nn.Module), "trees grow in stages and are measured nowhere here"
    return network


def contests(schema: Schema) -> tuple[Contest, ...]:
    """The models on these inputs."""
    tower, expert = TowerConfig(widths=TOWER), ExpertConfig(widths=HIDDEN)
    shared = shared_bottom.Config(
        embedding_dim=EMBEDDING,
        dropout=0.0,
        trunk=shared_bottom.TrunkConfig(widths=HIDDEN),
        tower=tower,
    )
    mixture = mmoe.Config(
        embedding_dim=EMBEDDING, dropout=0.0, num_experts=NUM_EXPERTS, expert=expert, tower=tower
    )
    extracted = ple.Config(
        embedding_dim=EMBEDDING,
        dropout=0.0,
        num_shared_experts=NUM_SHARED_OF_PLE,
        expert=expert,
        tower=tower,
    )
    topology = star.Config(embedding_dim=EMBEDDING, dropout=0.0, widths=HIDDEN, auxiliary=tower)
    sizes = (EMBEDDING, HIDDEN, TOWER)
    return (
        _contest(
            "Shared Bottom",
            lambda: shared_bottom.Model(shared, schema),
            lambda: plain.SharedBottom(schema, *sizes),
        ),
        _contest(
            "MMoE",
            lambda: mmoe.Model(mixture, schema),
            lambda: plain.MMoE(schema, EMBEDDING, NUM_EXPERTS, HIDDEN, TOWER),
        ),
        _contest(
            "PLE",
            lambda: ple.Model(extracted, schema),
            lambda: plain_scenarios.PLE(schema, EMBEDDING, NUM_SHARED_OF_PLE, HIDDEN, TOWER),
        ),
        _contest(
            "STAR",
            lambda: star.Model(topology, schema),
            lambda: plain_scenarios.STAR(schema, *sizes),
        ),
        _contest(
            "HiNet",
            lambda: hinet.Model(hinet_config(), schema),
            lambda: plain_scenarios.HiNet(schema, HINET),
        ),
    )


def _contest(
    name: str, ours: Callable[[], nn.Module], reference: Callable[[], nn.Module]
) -> Contest:
    return Contest(name, lambda: seeded_model(ours, SEED), lambda: seeded_model(reference, SEED))
