"""Shops whose winners other libraries train: of one scenario, of one task too, and of several."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest

from tests.serving.shop import SHORT, Shop, launch_shop, launched_once, rows, shop_in

SMALL = "model.embedding_dim: 4, model.dropout: 0.1, model.tower.widths: [3]"
EXPERTS = "model.expert.widths: [6, 5]"
OF_TASKS = {
    "bottom": f"{{model: shared_bottom, fixed: {{{SMALL}, model.trunk.widths: [7, 5]}}}}",
    "mmoe": f"{{model: mmoe, fixed: {{{SMALL}, {EXPERTS}, model.num_experts: 3}}}}",
    "ple": f"{{model: ple, fixed: {{{SMALL}, {EXPERTS}, model.num_shared_experts: 3, "
    "model.num_specific_experts: 2, model.num_levels: 1}}",
    "deep_ple": f"{{model: ple, fixed: {{{SMALL}, {EXPERTS}, model.num_levels: 2}}}}",
    "pepnet": "{model: pepnet, fixed: {model.widths: [6, 6], model.gate_width: 6}}",
    "scaled": f"{{model: mmoe, fixed: {{{SMALL}, {EXPERTS}, features.unit_scale: true}}}}",
    "attentive": "{model: mmoe, fixed: {features.pooling: attention}}",
    "binned": "{model: mmoe, fixed: {features.number_encoding: bins}}",
    "trees": "",
    "alone": "{model: mmoe, fixed: {model.protocol: per_task}}",
    "hinet": "",
}
CROSS = "model.cross.num_layers: 2, model.widths: [6, 5]"
OF_ONE_TASK = {
    "full": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: full}}}}",
    "stacked": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: full, "
    "model.structure: stacked}}",
    "mixture": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: nonlinear, "
    "model.cross.rank: 3, model.cross.num_experts: 1}}",
    "shallow": "{model: dcn_v2, fixed: {model.cross.num_layers: 1, model.cross.kind: nonlinear, "
    "model.cross.rank: 3, model.cross.num_experts: 2}}",
    "gated": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: nonlinear, "
    "model.cross.num_experts: 2}}",
    "low_rank": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: low_rank, "
    "model.cross.rank: 3, model.cross.num_experts: 1}}",
    "pepnet": "{model: pepnet, fixed: {model.widths: [6, 5]}}",
    "final_mlp": "",
}
OF_SCENARIOS = {
    "bottom": "{model: shared_bottom}",
    "mmoe": "{model: mmoe, fixed: {train.scenario_weights: equal}}",
    "ple": "{model: ple, fixed: {model.slots: scenario_task}}",
    "ple_of_tasks": "{model: ple, fixed: {model.slots: task}}",
    "pepnet": "{model: pepnet, fixed: {model.gate_width: 16}}",
}
STUDY = """\
data:
  source: {{kind: table, path: shop.parquet}}
  scenario: {{column: place, values: {places}}}
  tasks: {tasks}
  user: user
  time: minute
  features:
    categorical: [user, item, type, "the colour"]
    numeric: [price, age]
    lists:
      tags: {{column: tags, length: 3}}
      seen: {{column: seen, item: item, length: 2}}
  split: {{by: time, valid_from: 1000, test_from: 1200}}
  minimum_frequency: 2
seed: 3
arms:
{arms}
cost_limit: null
"""
BOTH = "{click: {column: clicked}, order: {column: bought}}"
PLACES = "{1: Home, 2: Push, 3: Cart}"


def peer_rows() -> pl.DataFrame:
    """Rows of the shop with lists, and columns whose names are those of a module or have spaces."""
    frame = rows(2200, seed=5)
    number = pl.col("minute")
    tags = pl.concat_list(("t" + (number * each % 7).cast(pl.String)) for each in (1, 3))
    seen = pl.concat_list(pl.col("item"), pl.col("item").shift(3).fill_null("a"))
    return frame.with_columns(
        pl.when(number % 5 > 0).then(tags).alias("tags"),
        pl.when(number % 4 > 0).then(seen).alias("seen"),
        (number % 13).alias("type"),
        pl.col("colour").alias("the colour"),
    )


def launch_peers(folder: Path, arms: dict[str, str], places: str, tasks: str) -> Shop:
    """Launch a study of these arms."""
    lines = "\n".join(f"  {name}: {arm}" for name, arm in arms.items())
    text = STUDY.format(places=places, tasks=tasks, arms=lines) + SHORT
    return launch_shop(folder, peer_rows(), text)


def peer_shop(
    factory: pytest.TempPathFactory, name: str, arms: dict[str, str], places: str, tasks: str
) -> Shop:
    """A done study of these arms, which one worker launches for all of them."""
    launch = partial(launch_peers, arms=arms, places=places, tasks=tasks)
    return shop_in(launched_once(factory, name, launch))


@pytest.fixture(scope="session")
def of_tasks(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of one scenario and two tasks."""
    return peer_shop(tmp_path_factory, "of_tasks", OF_TASKS, "{1: Home}", BOTH)


@pytest.fixture(scope="session")
def of_one_task(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of one scenario and one task."""
    task = "{click: {column: clicked}}"
    return peer_shop(tmp_path_factory, "of_one_task", OF_ONE_TASK, "{1: Home}", task)


@pytest.fixture(scope="session")
def of_scenarios(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of three scenarios and two tasks."""
    return peer_shop(tmp_path_factory, "of_scenarios", OF_SCENARIOS, PLACES, BOTH)
