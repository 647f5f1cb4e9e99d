"""Print size, FLOPs and time of every model's default: `python docs/results/models.py kuairand`.

Times are of one thread: the median of some training steps, times the steps of a pass. Run it on a
quiet machine. Errors are the largest differences in float64 from the plain-loop references of
tests/models, logits and gradients.
"""

import importlib
import sys
import time
from pathlib import Path
from statistics import median

import torch

from hinet_search.api import ready
from hinet_search.common import plugins
from hinet_search.data.columns import Dataset
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import MODELS
from hinet_search.study.search_space import load_space
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.make_feed import make_feed
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from hinet_search.training.trainable import trainable
from hinet_search.training.trial_config import TrialConfig, build_config

REFERENCES = Path(__file__).parents[2] / "tests" / "models"
WARM_UP, STEPS = 3, 30
CPU = torch.device("cpu")


def seconds_per_pass(config: TrialConfig, dataset: Dataset) -> float:
    """Forward, backward and update of a network; 0 for a model that is no network."""
    data, schema = config.features.view(dataset)
    torch.manual_seed(0)
    model = config.build(schema)
    if not isinstance(model, torch.nn.Module):
        return 0.0
    feed, optimiser = make_feed(data.train, CPU), make_optimiser(model.train(), config.train)
    order = torch.randperm(len(feed), generator=torch.Generator().manual_seed(0)).split(
        config.train.batch_size
    )
    took = []
    for rows_B in order[: WARM_UP + STEPS]:
        began = time.perf_counter()
        batch, labels_BT = feed.select(rows_B)
        optimiser.zero_grad()
        torch.autograd.backward(own_scenario_loss(model(batch), labels_BT))
        clip_gradients(model.parameters(), config.train.clip_norm)
        optimiser.step()
        took.append(time.perf_counter() - began)
    return median(took[WARM_UP:]) * len(order)


def errors(name: str) -> tuple[float, float]:
    """Largest errors of logits and of gradients on a small schema with lists."""
    small, reference = (
        importlib.import_module(module) for module in ("small_models", f"reference.{name}")
    )
    torch.manual_seed(0)
    model = small.randomise(build_config(name, {}).build(small.WITH_LISTS))
    batch = small.batch(small.WITH_LISTS, rows=60)
    both = model(batch), reference.logits(model, batch)
    slope = torch.randn(both[0].shape, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((logits * slope).sum(), list(model.parameters())) for logits in both
    ]
    differences = [
        (left - right).abs().max().item() for left, right in zip(*gradients, strict=True)
    ]
    return (both[0] - both[1]).abs().max().item(), max(differences)


def line(name: str, dataset: Dataset) -> str:
    """One model: the default of its shipped space."""
    space = load_space(name)
    config = build_config(name, space.values(space.default()))
    schema = config.features.schema_of(dataset)
    model = trainable(config.build(schema), schema, CPU)
    parameters, dense = model.num_parameters()
    seconds = seconds_per_pass(config, dataset)
    measured = (
        [f"{seconds:.1f}", *(f"{error:.0e}" for error in errors(name))] if seconds else [""] * 3
    )
    flops = f"{model.flops_per_row():,}"
    return f"| `{name}` | {parameters:,} | {dense:,} | {flops} | {' | '.join(measured)} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, str(REFERENCES))
    data = ready(sys.argv[1], LaunchOptions()).dataset
    print(
        f"{sys.argv[1]}: {data.train.num_rows:,} training rows, "
        f"torch {torch.__version__}, one thread\n"
    )
    print(
        "| model | parameters | without embeddings | FLOPs a row | seconds a training pass "
        "| error of logits | of gradients |"
    )
    print("|---|---|---|---|---|---|---|")
    for model_name in plugins.names(MODELS):
        print(line(model_name, data), flush=True)
