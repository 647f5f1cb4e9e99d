"""Speed of the peers: torch-rechub and FuxiCTR, each in its own environment.

A peer trains in a process of its own with its own trainer and loader (peers/run_*.py), on one
thread; no figure contains its start. The environments are made by pip once and kept under
.benchmarks/. A peer that does not install or run gives a figure that says why.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

from bench_training import TrainingFigure
from environments import make_environment, run
from hinet_search.data.columns import Dataset
from layout import aligned
from work import make_dataset

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".benchmarks" / "peers"
MODELS = ("Shared Bottom", "MMoE", "PLE")
BATCH_SIZE = 2048
TIMED_ROWS = 40 * BATCH_SIZE
FEWEST_ROWS = 10 * BATCH_SIZE  # an epoch of fewer has too little to time after the first steps
RUN_SECONDS = 600
# Our release of torch, so that no ratio compares two releases.
TORCH = f"torch=={version('torch').split('+')[0]}"


@dataclass(frozen=True)
class Peer:
    """A package on PyPI, the script that trains with it, and further requirements."""

    name: str
    release: str
    script: str
    pins: tuple[str, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        return (f"{self.name}=={self.release}", TORCH, *self.pins)


# The peers set no upper bounds. These releases were tested together, so figures are reproducible.
NUMPY, PANDAS, SKLEARN = "numpy==2.4.6", "pandas==3.1.1", "scikit-learn==1.9.1"
PEERS = (
    Peer("torch-rechub", "0.9.0", "run_torch_rechub.py", (NUMPY, PANDAS, SKLEARN)),
    # It does not declare torch (every environment gets ours), and its loaders import ray even for
    # npz files.
    Peer(
        "fuxictr",
        "2.3.10",
        "run_fuxictr.py",
        (NUMPY, PANDAS, SKLEARN, "ray==2.60.0", "pyarrow==26.0.1"),
    ),
)


@dataclass(frozen=True)
class PeerFigure:
    """Rows a second of one model; of `rows` timed rows in training, of all rows in evaluation.

    None stands for what was not measured; `failure` says why where that was not meant, and is empty
    otherwise.
    """

    peer: str
    version: str
    model: str
    batch_size: int | None = None
    rows: int | None = None
    rows_per_second: float | None = None
    evaluate_rows_per_second: float | None = None
    failure: str = ""


def peer_figures(num_rows: int, rounds: int, *, timed_rows: int = TIMED_ROWS) -> list[PeerFigure]:
    """Return a figure per peer and model, medians over rounds.

    Evaluation of MMoE is measured in the first round only.
    """
    work = CACHE / f"work-{num_rows}"
    write_work(make_dataset(num_rows), work)
    by_round = [
        [
            measure(peer, model, work, timed_rows, evaluate=number == 0 and model == "MMoE")
            for peer in PEERS
            for model in MODELS
        ]
        for number in range(rounds)
    ]
    return [summary(figures) for figures in zip(*by_round, strict=True)]


def summary(figures: Sequence[PeerFigure]) -> PeerFigure:
    """Medians of one model's figures; one failure is a failure of all."""
    failed = [figure for figure in figures if figure.failure]
    if failed:
        return failed[0]
    evaluations = [
        figure.evaluate_rows_per_second for figure in figures if figure.evaluate_rows_per_second
    ]
    return replace(
        figures[0],
        rows_per_second=median(
            figure.rows_per_second for figure in figures if figure.rows_per_second
        ),
        evaluate_rows_per_second=median(evaluations) if evaluations else None,
    )


def write_work(dataset: Dataset, folder: Path) -> None:
    """The training rows as arrays that numpy alone can read, and their vocabulary sizes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    schema, train = dataset.full_schema, dataset.train
    about = {
        "vocabulary_sizes": list(schema.vocabulary_sizes),
        "num_scenarios": schema.num_scenarios,
    }
    (folder / "about.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    np.save(folder / "ids.npy", train.ids_RF)
    np.save(folder / "numeric.npy", train.numeric_RN)
    np.save(folder / "scenario.npy", train.scenario_R)
    np.save(folder / "labels.npy", train.labels_RT)


def measure(
    peer: Peer, model: str, work: Path, timed_rows: int, *, evaluate: bool = False
) -> PeerFigure:
    """Start a peer with one model, time `timed_rows` training rows (at most an epoch)."""
    unmeasured = PeerFigure(peer.name, peer.release, model)
    environment = make_environment(CACHE / peer.name, peer.requirements)
    if environment.failure:
        return replace(unmeasured, failure=environment.failure)
    command = [str(environment.python), str(HERE / "peers" / peer.script), str(work)]
    command += ["--models", model, "--rows", str(timed_rows), *(["--evaluate"] if evaluate else [])]
    output, failure = run(command, RUN_SECONDS)
    lines = [line for line in output.splitlines() if line.startswith('{"peer"')]
    if failure or not lines:
        return replace(unmeasured, failure=failure or "it printed no figure")
    return PeerFigure(**json.loads(lines[-1]))


def table(figures: Sequence[PeerFigure]) -> str:
    """The figures as text, a line each; why a peer failed stands under them."""
    lines = [("peer", "train rows/s", "evaluate rows/s")]
    lines += [
        (
            f"{figure.peer} {figure.version}, {figure.model}",
            _number(figure.rows_per_second),
            _number(figure.evaluate_rows_per_second),
        )
        for figure in figures
    ]
    failures = dict.fromkeys(
        f"{figure.peer}, {figure.model}: {figure.failure}" for figure in figures if figure.failure
    )
    return "\n".join((aligned(lines), *failures))


def against(ours: Sequence[TrainingFigure], figures: Sequence[PeerFigure]) -> str:
    """Our rows a second over those of the best peer, a line per model and variant."""
    lines = [("ours / best peer", "ratio", "best peer")]
    for figure in ours:
        peers = [peer for peer in figures if peer.model == figure.model and peer.rows_per_second]
        if peers:
            best = max(peers, key=lambda peer: peer.rows_per_second or 0.0)
            ratio = figure.rows_per_second / (best.rows_per_second or 1.0)
            lines.append(
                (
                    f"{figure.model}, {figure.variant}",
                    f"{ratio:.2f}",
                    f"{best.peer} {_number(best.rows_per_second)}",
                )
            )
    return aligned(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the work; 80 %% of them train"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--timed-rows", type=int, default=TIMED_ROWS, help="rows of training to time per model"
    )
    options = parser.parse_args()
    if options.rows < FEWEST_ROWS:
        parser.error(f"--rows needs at least {FEWEST_ROWS:,}, got {options.rows:,}")
    print(table(peer_figures(options.rows, options.rounds, timed_rows=options.timed_rows)))


if __name__ == "__main__":
    main()
