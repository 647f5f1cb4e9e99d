"""Coverage: YAML and `--set` values by their bytes, led by which lines they reach. Needs Atheris (pip install '.[fuzz]').

`python -m tests.fuzz.coverage yaml|settings SECONDS` runs one of them; an input that is a fault ends it, and is kept in .fuzz/.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.explore import FOLDER, Figures, load
from tests.fuzz.faults import Outcome, of_text

PARSERS = ("yaml", "settings")


def is_there() -> bool:
    """Whether Atheris is installed."""
    return find_spec("atheris") is not None


def led_by_coverage(parser: str, seconds: float, seed: int) -> Figures:
    """Run one parser in a separate process; libFuzzer ends it at an input that raises, or takes 10 s or 2 GB."""
    FOLDER.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.coverage",
        parser,
        str(round(seconds)),
        str(seed + 1),
    ]
    ended = subprocess.run(
        command, capture_output=True, text=True, errors="replace", cwd=FOLDER.parent, check=False
    )
    figures = Figures(f"{parser} *", seconds=seconds)
    executed = re.search(r"number_of_executed_units:\s*(\d+)", ended.stderr) or re.search(
        r"Done (\d+) runs", ended.stderr
    )
    figures.inputs = int(executed[1]) if executed else 0
    figures.outcomes["led by coverage"] = figures.inputs
    peak = re.search(r"peak_rss_mb:\s*(\d+)", ended.stderr)
    figures.megabytes = int(peak[1]) if peak else 0
    if ended.returncode:
        kept = re.search(r"Test unit written to (\S+)", ended.stderr)
        fault = of_text(
            ended.stderr.partition("=== Uncaught Python exception: ===")[2].partition("==")[0]
            or ended.stderr
        )
        outcome = Outcome("fault", fault.kind, fault.where)
        figures.faults[outcome.signature] = kept[1] if kept else ended.stderr[-2000:]
    return figures


def _main(parser: str, seconds: str, seed: str) -> None:
    import atheris

    with atheris.instrument_imports():
        from hinet_search.study import yaml_file
    from hinet_search.cli.options import launch_options
    from hinet_search.common.errors import ConfigurationError

    place = Path(tempfile.mkdtemp(prefix="fuzz-coverage-"))
    file = place / "small.yaml"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        yaml_file.read(file)

    def read_value(content: bytes) -> None:
        launch_options({"settings": ("trials=" + content.decode("utf-8", "surrogateescape"),)})

    parse: Callable[[bytes], None] = read if parser == "yaml" else read_value

    def take(content: bytes) -> None:
        with suppress(ConfigurationError):
            parse(content)

    corpus = place / "corpus"
    corpus.mkdir()
    for number, text in enumerate(_seeds(parser)):
        (corpus / str(number)).write_bytes(text.encode("utf-8", "surrogatepass"))
    limits = [
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=4096",
        f"-max_total_time={seconds}",
        f"-seed={seed}",
    ]
    atheris.Setup(
        [
            sys.argv[0],
            *limits,
            "-print_final_stats=1",
            f"-artifact_prefix={FOLDER}/{parser}-",
            str(corpus),
        ],
        take,
    )
    atheris.Fuzz()


def _seeds(parser: str) -> list[str]:
    """Those of the targets, the short ones."""
    texts = (
        list(load("study").SEEDS.values())
        if parser == "yaml"
        else [value for seeds in load("settings").SEEDS.values() for _, value in seeds]
    )
    return [text for text in texts if len(text) < 4096]


if __name__ == "__main__":
    _main(*sys.argv[1:])
