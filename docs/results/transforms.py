"""Transforms: what transforms of numbers gain on validation, with the default of one arm.

`docs/results/transforms.py STUDY ARM NAME=log ...`: the data of the study are encoded without
transforms and with each one alone, and the default configuration of the arm is trained on both,
with paired seeds. Values are macro AUC on validation; no test split is opened.
"""

import argparse

import torch
from teachers import Study, lines

from hinet_search import api
from hinet_search.study.launch_options import LaunchOptions


def main() -> None:
    """Print macro AUC with every transform, and its gain over none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("arm")
    parser.add_argument("transforms", nargs="+")
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = {"none": reached(options, {})}
    for written in options.transforms:
        name, _, transform = written.partition("=")
        values[written] = reached(options, {name: transform})
    print("\n".join(lines(options.arm, values)))


def reached(options: argparse.Namespace, transforms: dict[str, str]) -> list[float]:
    """Macro AUC on validation of every seed."""
    settings = {"objective": "macro_auc", "data.features.transforms": transforms}
    study = Study(api.ready(options.study, LaunchOptions(settings=settings)))
    config = study.config(options.arm)
    return [study.train(config, seed)[1] for seed in range(1, options.seeds + 1)]


if __name__ == "__main__":
    main()
