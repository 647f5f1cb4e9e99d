"""Measure the memory that a pair of rows takes in a training step on the CPU.

`python benchmarks/pairs_memory.py [ROWS]` takes a step of `pairs_within_scenarios` on so many rows
of one scenario and task, half of them positive, and prints the pairs and the bytes of each.
"""

import resource
import sys

import numpy as np
import torch

from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.training.teaching import step_loss
from hinet_search.training.train_config import TrainConfig

CPU = torch.device("cpu")


def step(num_rows: int) -> None:
    """Compute the loss of rows, and its gradient."""
    rows = Columns(
        ids_RF=np.zeros((num_rows, 0), np.int32),
        numeric_RN=np.zeros((num_rows, 1), np.float32),
        scenario_R=np.zeros(num_rows, np.int16),
        labels_RT=(np.arange(num_rows) % 2)[:, None].astype(np.uint8),
        user_R=np.zeros(num_rows, np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
    )
    schema = Schema(("home",), ("click",), (), (), ("price",))
    config = TrainConfig(loss="pairs_within_scenarios")
    loss = step_loss(config, schema, rows, None, CPU)
    scores_RT = torch.zeros(num_rows, 1, requires_grad=True)
    labels_RT = torch.from_numpy(rows.labels_RT).float()
    scenario_R = torch.zeros(num_rows, dtype=torch.int64)
    torch.autograd.backward(loss(scores_RT, labels_RT, torch.arange(num_rows), scenario_R))


def main() -> None:
    """Take a small step, then one on many rows, and print what the second one took."""
    torch.set_num_threads(1)
    num_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 8192
    step(16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(num_rows)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    num_pairs = num_rows**2 // 4
    print(f"{num_pairs:,} pairs, {1024 * kilobytes / num_pairs:.0f} bytes a pair")


if __name__ == "__main__":
    main()
