"""What every process of a team runs in tests: trainings by one process or several."""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hinet_search.common import plugins
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import MODELS
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.divergence import Diverged
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions, FixedSteps
from hinet_search.training.seeding import seeded_model
from hinet_search.training.team import Team
from hinet_search.training.trial_config import build_config, known_names
from tests.training.datasets import separable
from tests.training.fake_models import CPU, Watch

Trained = tuple[dict[str, Tensor], list[EvaluationRecord]]  # weights, and evaluations without time

NETWORKS = tuple(
    name
    for name in plugins.names(MODELS)
    if issubclass(plugins.load(MODELS, name).Model, torch.nn.Module)
)
QUICK: dict[str, Value] = {
    "train.batch_size": 32,
    "train.learning_rate": 0.01,
    "train.passes": 3.0,
    "train.patience": 0,
}
STEPS_OF_A_PASS = 5  # the last of a single row, which every process takes
DATA = separable(train_rows=129, valid_rows=51)
# Of the second scenario few batches have several rows: shares lack it, and norms find one row.
_uneven = (np.arange(129) % 24 == 0).astype(np.int16)
UNEVEN = replace(DATA, train=replace(DATA.train, scenario_R=_uneven))
FURTHER: dict[str, tuple[str, dict[str, Value]]] = {
    **{
        f"{model}, {optimiser}": (model, {"train.embedding_optimiser": optimiser})
        for model in ("mmoe", "hinet")
        for optimiser in ("lazy_adam", "sparse_adam", "rowwise_adagrad")
    },
    **{
        f"mmoe, {optimiser} in bf16": (
            "mmoe",
            {"train.embedding_optimiser": optimiser, "train.table_precision": "bf16"},
        )
        for optimiser in ("lazy_adam", "sparse_adam")
    },
    "single, lazy_adam": ("single", {"train.embedding_optimiser": "lazy_adam"}),
    "star, partitioned norm": ("star", {"model.partitioned_norm": True}),
    "star, held embeddings": ("star", {"features.unit_scale": True, "train.embedding_l2": 1e-3}),
    "single, unit scale": ("single", {"features.unit_scale": True}),
    "mmoe, new embeddings": ("mmoe", {"train.reset_embeddings": True}),
    "ple, pairs": (
        "ple",
        {"train.loss": "pairs_within_users", "train.ranking_weight": 0.5, "train.shuffle": "users"},
    ),
    "mmoe, equal scenarios": ("mmoe", {"train.scenario_weights": "equal"}),
    "hinet, top 1": ("hinet", {"model.san.top_k": 1, "model.san.warmup_passes": 1}),
    "hinet, released code": ("hinet", {"model.released_code": True}),
    "mmoe, falling rates": ("mmoe", {"train.rate_decay": True}),
}


def trained(
    name: str,
    team: Team | None,
    settings: Mapping[str, Value],
    *,
    data=DATA,
    seed: int = 3,
    steps: int | None = None,
    watch: Watch | None = None,
    folder: Path | None = None,
) -> Trained:
    """Train a model in float64, without dropout unless a setting says so.

    With `steps` the weights are those after the last one, else those of the best evaluation.
    """
    no_dropout = {part: 0.0 for part in known_names(name) if part.endswith("dropout")}
    config = build_config(name, {**QUICK, **no_dropout, **settings})
    schema = config.features.schema_of(data)
    model = seeded_model(lambda: config.build(schema), seed).double()
    objective = objective_named("macro_auc")
    fixed = None if steps is None else FixedSteps(steps, STEPS_OF_A_PASS)
    given = Conditions(data, schema, config.train, 3, objective, CPU, fixed_steps=fixed, team=team)
    leads = team is None or team.is_leader
    checkpoints = Checkpoints(folder, "job", 0.0) if folder and leads else None
    result = fit(model, given, watch or Watch(), checkpoints)
    evaluations = [replace(each, seconds=0.0, memory_bytes=0) for each in result.evaluations]
    return dict(model.state_dict()), evaluations


def every_training(
    team: Team | None, steps: int = 2 * STEPS_OF_A_PASS + 1, learning_rate: float = 0.01
) -> dict[str, Trained]:
    """Train every network on uneven scenarios, some with further settings, and one to its best."""
    rate: dict[str, Value] = {"train.learning_rate": learning_rate}
    return {
        **{name: trained(name, team, rate, data=UNEVEN, steps=steps) for name in NETWORKS},
        **{
            case: trained(name, team, {**rate, **values}, steps=steps)
            for case, (name, values) in FURTHER.items()
        },
        "mmoe, its best": trained("mmoe", team, rate),
    }


def stopped_before(step: int | None, folder: Path, team: Team) -> Trained:
    """Train with dropout; stop before a step, or resume what the folder has, to the end."""
    watch = Watch(stop_after=step) if team.is_leader else Watch()
    return trained("star", team, {"model.dropout": 0.3}, watch=watch, folder=folder)


def with_an_infinite_number(team: Team) -> Trained:
    """Train on rows of which one, and so one process, has a score that is not finite."""
    numbers = DATA.train.numeric_RN.copy()
    numbers[77] = np.inf
    data = replace(DATA, train=replace(DATA.train, numeric_RN=numbers))
    try:
        return trained("mmoe", team, {}, data=data)
    except Diverged:
        if team.is_leader:
            raise
    return {}, []


class KillsItself(Watch):
    """Ends its process as a lack of memory does."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def without_partner(team: Team) -> Trained:
    """Train; the partner is killed at the first evaluation."""
    return trained("mmoe", team, {}, watch=None if team.is_leader else KillsItself())


def with_other_weights(team: Team) -> Trained:
    """Train with weights that are other ones in every process, as after a fault."""
    return trained("mmoe", team, {}, seed=team.rank)
