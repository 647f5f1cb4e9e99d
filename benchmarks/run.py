"""Run the benchmarks: print their tables, and store figures, machine and commit in results/."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import torch

import bench_evaluation
import bench_events
import bench_gpu
import bench_memory
import bench_peers
import bench_platform
import bench_report
import bench_restart
import bench_scenarios
import bench_search
import bench_slots
import bench_training
from hinet_search.common.versions import versions
from hinet_search.executors.processes.environment import SLOT_ENVIRONMENT
from work import make_dataset

HERE = Path(__file__).parents[1]
RESULTS = HERE / "benchmarks" / "results"
MILLION, FEW = 1_000_000, 200_000
AS_A_SLOT = {
    name: value for name, value in SLOT_ENVIRONMENT.items() if not name.startswith("POLARS")
}


@dataclass(frozen=True)
class Bench:
    """A benchmark in full and quick form, and its table; without `quick` quick runs omit it."""

    full: Callable[[], Any]
    quick: Callable[[], Any] | None
    table: Callable[[Any], str]


BENCHES = {
    "memory": Bench(
        lambda: bench_memory.bench_memory(10 * MILLION, epochs=0.25), None, bench_memory.table
    ),
    "events": Bench(
        lambda: bench_events.bench_events(10 * MILLION, rounds=1),
        lambda: bench_events.bench_events(FEW, rounds=1),
        bench_events.table,
    ),
    "evaluation": Bench(
        lambda: bench_evaluation.bench_evaluation(MILLION, rounds=3),
        lambda: bench_evaluation.bench_evaluation(FEW, rounds=1),
        bench_evaluation.table,
    ),
    "training": Bench(
        lambda: bench_training.bench_training(make_dataset(MILLION), rounds=9, seconds=0.6),
        lambda: bench_training.bench_training(make_dataset(FEW), rounds=3, seconds=0.2),
        bench_training.table,
    ),
    "peers": Bench(lambda: bench_peers.peer_figures(MILLION, rounds=2), None, bench_peers.table),
    "scenarios": Bench(
        lambda: bench_scenarios.bench_scenarios((6, 20, 50, 100), num_rows=FEW, rounds=3),
        lambda: bench_scenarios.bench_scenarios((6, 20), num_rows=FEW // 4, rounds=1),
        bench_scenarios.table,
    ),
    "search": Bench(
        lambda: bench_search.bench_search((1, 4, 16), repeats=50, with_peers=True),
        None,
        bench_search.table,
    ),
    "gpu": Bench(
        lambda: bench_gpu.bench_gpu(make_dataset(MILLION)),
        None,
        bench_gpu.table,
    ),
    "platform": Bench(
        lambda: bench_platform.bench_platform((100, 1_000, 5_000, 10_000), trials=50, repeats=5),
        lambda: bench_platform.bench_platform((100,), trials=10, repeats=1),
        bench_platform.table,
    ),
    "slots": Bench(
        lambda: bench_slots.bench_slots(["quickstart"], trials=8, rounds=3), None, bench_slots.table
    ),
    "report": Bench(
        lambda: bench_report.bench_report(10_000, rounds=3),
        lambda: bench_report.bench_report(2_000, rounds=1),
        bench_report.table,
    ),
    "restart": Bench(
        lambda: bench_restart.bench_restart(MILLION, epochs=1.0, rounds=5),
        lambda: bench_restart.bench_restart(FEW, epochs=2.0, rounds=1),
        bench_restart.table,
    ),
}


USUAL = [name for name in BENCHES if name != "search"]  # which takes hours


@dataclass(frozen=True)
class Machine:
    """Machine of the figures; `load` is the mean number of running processes a minute before."""

    cpu: str
    cores: int
    load: float
    torch_threads: int
    polars_threads: int
    versions: dict[str, str]


def main() -> None:
    """Parse, measure, print, keep."""
    options = _parsed()
    _as_a_slot()
    torch.set_num_threads(1)
    machine = this_machine()
    print(
        f"{machine.cpu}, {machine.cores} cores, load {machine.load:.1f} at the start; "
        "training on one thread"
    )
    about = {"quick": options.quick, "machine": asdict(machine)}
    figures: dict[str, Any] = {}
    earlier: dict[str, Any] = {}
    for name in options.only:
        bench = BENCHES[name]
        measure = bench.quick if options.quick else bench.full
        if measure is None:
            continue
        if options.before:
            earlier |= _measured_in(options.before, name, quick=options.quick)
            figures[name] = _measured_in(HERE, name, quick=options.quick)[name]
        else:
            figures[name] = measure()
            print(f"\n{name}\n{bench.table(figures[name])}", flush=True)
        keep(about, figures, earlier)  # what is measured stays if a later part fails
    if {"training", "peers"} <= figures.keys() and not options.before:
        print(
            f"\nagainst the best peer\n{bench_peers.against(figures['training'], figures['peers'])}"
        )
    print(f"\nkept in {_result_file()}")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer rows and rounds, no peers: under two minutes"
    )
    parser.add_argument(
        "--only", nargs="+", choices=BENCHES, default=USUAL, help="these parts alone"
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="CHECKOUT",
        help="an earlier version with its .venv, which measures every part first",
    )
    return parser.parse_args()


def _as_a_slot() -> None:
    """Start again with the settings that a slot has: some are read when a process starts."""
    if any(os.environ.get(name) != value for name, value in AS_A_SLOT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **AS_A_SLOT})  # noqa: S606  this program


def this_machine() -> Machine:
    """The processor by its name where the system tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=names[0] if names else platform.machine(),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        torch_threads=torch.get_num_threads(),
        polars_threads=pl.thread_pool_size(),
        versions=dict(versions()),
    )


def _measured_in(checkout: Path, part: str, *, quick: bool) -> dict[str, Any]:
    """Measure a part with the version of a checkout, and return its figures with its versions.

    It has a process of its own: in one that had measured other parts, steps took a sixth longer.
    """
    print(f"\n{part}, in {checkout}", flush=True)
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python), "benchmarks/run.py", "--only", part, *(["--quick"] if quick else [])]
    own_settings = {name: value for name, value in os.environ.items() if name not in AS_A_SLOT}
    subprocess.run(command, cwd=checkout, env=own_settings, check=True)
    files = (checkout / "benchmarks" / "results").glob("*.json")
    latest = max(files, key=lambda file: file.stat().st_mtime)
    kept = json.loads(latest.read_text(encoding="utf-8"))
    return {"versions": kept["machine"]["versions"], part: kept[part]}


def keep(about: dict[str, object], figures: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Write results/DATE-COMMIT.json; a later run of that day and commit replaces its parts.

    `earlier` are figures of an earlier version, which stand under `before`.
    """
    RESULTS.mkdir(exist_ok=True)
    file = _result_file()
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    content = {**kept, **about, **{name: _plain(figure) for name, figure in figures.items()}}
    if earlier:
        content["before"] = {**kept.get("before", {}), **earlier}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _result_file() -> Path:
    commit = versions().get("git commit", "no-commit")
    return RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{commit}.json"


def _plain(figure: Any) -> Any:
    if isinstance(figure, Sequence) and not isinstance(figure, str):
        return [_plain(part) for part in figure]
    return asdict(figure) if is_dataclass(figure) and not isinstance(figure, type) else figure


if __name__ == "__main__":
    main()
