"""Profile a training step: the operations that take most of its time.

`python benchmarks/profile_training.py MMoE lazy_adam`
"""

import sys

import torch

from bench_training import VARIANTS, our_training
from contestants import contests
from hinet_search.training.feed import make_feed
from work import make_dataset

WARM_UP_STEPS = 40  # until then memory is new, and each of its pages is cleared once
STEPS, OPERATIONS = 10, 20


def main(model: str, variant: str) -> None:
    """Print the operations of some steps by their own time."""
    torch.set_num_threads(1)
    dataset = make_dataset(300_000)
    contest = next(contest for contest in contests(dataset.full_schema) if contest.name == model)
    training = our_training(
        contest.ours(), make_feed(dataset.train, torch.device("cpu")), VARIANTS[variant]
    )
    for _ in range(WARM_UP_STEPS):
        next(training)
    with torch.profiler.profile() as profile:
        for _ in range(STEPS):
            next(training)
    print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=OPERATIONS))


if __name__ == "__main__":
    main(*sys.argv[1:3])
