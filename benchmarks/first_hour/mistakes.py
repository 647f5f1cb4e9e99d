"""What is answered to mistakes of a first hour: typos, missing files, and twelve others.

    cd benchmarks && python -m first_hour.mistakes

Every command runs in a folder with a small table and its drafted study. Printed are its exit code,
CPU seconds, and what it says.
"""

import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

TYPOS = (
    "lauch quickstart",
    "launch quickstrat",
    "launch quickstart --trails 3",
    "launch quickstart --set trails=3",
    "launch quickstart --set train.bach_size=512",
    "check quickstart --set trials=many",
    "report quickstrat",
    "data init rows.csv --name other --task clik",
    "describe mmoee",
    "export shop/hinett -o model",
)
MISSING = (
    "data init nosuch.csv",
    "data init nosuch.db --table shown",
    "check studies/nosuch.yaml",
    "launch nosuch",
    "report nosuch",
    "status nosuch",
    "export nosuch/hinet -o model",
    "predict nosuch rows.csv -o scores.parquet",
    "monitor nosuch rows.csv",
    "serve nosuch",
)
MISTAKES = {
    "no label": "data init unlabelled.csv",
    "semicolons": "data init semicolons.csv",
    "a label that is no number": "data init rows.csv --name other --task place",
    "a scenario that is not there": "data init rows.csv --name other --scenario tab",
    "a label that is a feature, too": "check studies/many.yaml",
    "a feature that is not there": "check studies/wrong_feature.yaml",
    "an outcome as a feature": "check studies/outcome.yaml",
    "a tab in YAML": "check studies/tab.yaml",
    "report before launch": "report studies/rows.yaml",
    "export before launch": "export studies/rows.yaml -o model",
    "a table in place of a study": "launch rows.csv",
    "a database that is away": "status --storage postgresql://localhost:1/studies",
}


def main() -> None:
    """Print every answer."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_tables(folder)
        say(folder, "data init rows.csv")
        write_studies(folder)
        groups = {"typos": TYPOS, "missing files": MISSING, "mistakes": tuple(MISTAKES.values())}
        for name, lines in groups.items():
            print(f"## {name}")
            seconds = [answer(folder, line) for line in lines]
            print(f"most CPU seconds of {name}: {max(seconds):.2f}\n", flush=True)


def write_tables(folder: Path) -> None:
    """Write the table, one without a label, and one with semicolons."""
    generator = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "user_id": generator.integers(0, 200, 3_000),
            "item_id": generator.integers(0, 50, 3_000),
            "place": generator.choice(["home", "search"], 3_000),
            "price": generator.normal(50, 10, 3_000).round(2),
            "watched_seconds": generator.exponential(20, 3_000).round(1),
            "click": generator.integers(0, 2, 3_000),
            "time": np.arange(3_000) + 1_700_000_000,
        }
    )
    rows.write_csv(folder / "rows.csv")
    rows.drop("click", "watched_seconds").write_csv(folder / "unlabelled.csv")
    rows.write_csv(folder / "semicolons.csv", separator=";")


def write_studies(folder: Path) -> None:
    """Write studies with a mistake each."""
    study = (folder / "studies" / "rows.yaml").read_text()
    data = (folder / "data" / "rows.yaml").read_text()
    changed = {
        "many": data.replace("{column: click}", "{column: watched_seconds}"),
        "wrong_feature": data.replace("- price ", "- prise ", 1),
        "outcome": data.replace("    - price ", "    - watched_seconds ", 1),
    }
    for name, text in changed.items():
        (folder / "data" / f"{name}.yaml").write_text(text)
        changed_study = study.replace("data/rows.yaml", f"data/{name}.yaml")
        (folder / "studies" / f"{name}.yaml").write_text(changed_study)
    (folder / "studies" / "tab.yaml").write_text(study.replace("arms:", "arms:\n\thinet:"))


def answer(folder: Path, line: str) -> float:
    """Print what a command says; return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = say(folder, line)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"$ hinet-search {line}   ({told.returncode}, {seconds:.2f} s)")
    for text in (told.stdout + told.stderr).splitlines():
        print(f"    {text}")
    return seconds


def say(folder: Path, line: str) -> "subprocess.CompletedProcess[str]":
    program = str(Path(sys.executable).parent / "hinet-search")
    return subprocess.run(
        [program, *shlex.split(line)], cwd=folder, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    main()
