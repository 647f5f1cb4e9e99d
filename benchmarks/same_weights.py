"""Compare weights after 50 steps in float64 with those of an earlier version.

`python benchmarks/same_weights.py CHECKOUT` prints, for every model and update, the largest
difference of any weight. CHECKOUT is a clone of an earlier version with its .venv.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bench_training import TRAINING
from contestants import contests
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.make_feed import make_feed
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from work import make_dataset

HERE = Path(__file__).resolve().parents[1]
STEPS, ROWS = 50, 50_000
UPDATES = ("adam", "lazy_adam")
Weights = dict[str, dict[str, Tensor]]  # by model and update, then by name


def trained() -> Weights:
    """Train every model of the benchmarks with every update, without dropout."""
    dataset = make_dataset(ROWS)
    feed = make_feed(dataset.train, torch.device("cpu"))
    weights: Weights = {}
    for contest in contests(dataset.full_schema):
        for update in UPDATES:
            torch.manual_seed(0)
            model = contest.ours().double().train()
            config = TRAINING.model_copy(update={"embedding_optimiser": update})
            optimiser = make_optimiser(model, config)
            generator = torch.Generator().manual_seed(1)
            for _ in range(STEPS):
                rows_B = torch.randint(len(feed), (config.batch_size,), generator=generator)
                batch, labels_BT = feed.select(rows_B)
                batch = replace(batch, numeric_BN=batch.numeric_BN.double())
                optimiser.zero_grad()
                torch.autograd.backward(own_scenario_loss(model(batch), labels_BT.double()))
                clip_gradients(model.parameters(), config.clip_norm)
                optimiser.step()
            weights[f"{contest.name}, {update}"] = dict(model.named_parameters())
    return weights


def trained_by(checkout: Path) -> Weights:
    """Return what `trained` gives with the modules of that version."""
    python = checkout / ".venv" / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.pt"
        subprocess.run(
            [str(python), "-P", str(Path(__file__).resolve()), "--train", str(file)],
            env={**os.environ, "PYTHONPATH": f"{checkout / 'benchmarks'}:{checkout}"},
            check=True,
        )
        weights: Weights = torch.load(file, weights_only=True)
    return weights


def main() -> None:
    """Train with both versions and print how far their weights are apart."""
    torch.set_num_threads(1)
    if sys.argv[1] == "--train":
        torch.save(trained(), sys.argv[2])
        return
    before, after = trained_by(Path(sys.argv[1]).resolve()), trained_by(HERE)
    for name, weights in after.items():
        farthest = max(
            float((weights[path] - before[name][path]).detach().abs().max()) for path in weights
        )
        print(f"{name}: {farthest:.0e}")


if __name__ == "__main__":
    main()
