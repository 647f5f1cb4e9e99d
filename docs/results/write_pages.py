"""Write the tables of results pages from the result files: `python docs/results/write_pages.py`.

A table stands between `<!-- table KIND of NAME -->`, where NAME is a file in docs/results/data, and
`<!-- end of table -->`. KIND is a function of this file. README.md also shows the first
sentences of answers of docs/results/README.md, between `<!-- answers -->` and
`<!-- end of answers -->`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

from markdown_tables import number, spread, table
from result_files import ArmResult, GainResult, ResultFile, StudyResult, WayResult, read

from hinet_search.results.verdict import title

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "results" / "README.md"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(
    r"(?P<begin><!-- table (?P<kind>\w+) of (?P<name>\w+) -->\n)(?P<rows>.*?)"
    r"(?P<end><!-- end of table -->)",
    re.DOTALL,
)

LEFT_OUT = "## Settings and statistics"  # a section of the index that is not in README.md
ANSWERS = re.compile(
    r"(?P<begin><!-- answers -->\n)(?P<rows>.*?)(?P<end><!-- end of answers -->)", re.DOTALL
)
ANSWER = re.compile(r"^\| \[(?P<title>.+?)\]\((?P<page>\S+?)\) \| (?P<answer>.+) \|$", re.MULTILINE)


def leaderboard(file: ResultFile) -> list[str]:
    """The arms of one study: AUC on validation and test, size, FLOPs, seconds of a training."""
    head = ["arm", "valid macro", "test macro", "dense parameters", "FLOPs a row", "seconds a run"]
    return table(head, [_leaderboard_row(arm) for arm in file.studies[0].arms])


def _leaderboard_row(arm: ArmResult) -> list[str]:
    cost = [f"{arm.dense_parameters:,}", _flops(arm), f"{arm.seconds:.0f}"]
    return [arm.name, spread(arm.valid_macro), spread(arm.test_macro), *cost]


def gains(file: ResultFile) -> list[str]:
    """The gains of the focus of one study over every other arm on test."""
    focus = title(file.gains[0].focus)
    head = [f"{focus} against", "gain on test", "interval (Holm's level)", "p (Holm)"]
    rows = [
        [
            gain.against,
            number(gain.gain, signed=True),
            _interval(gain),
            f"{gain.p_holm:.3f}",
        ]
        for gain in file.gains
    ]
    return table(head, rows)


def power(file: ResultFile) -> list[str]:
    """Which true differences the comparisons find in 80 % of studies."""
    focus = title(file.powers[0].focus)
    head = [f"{focus} against", "found in 80 %, alone", f"first of all {len(file.powers)}"]
    rows = [[each.against, number(each.alone), number(each.first_of_all)] for each in file.powers]
    return table(head, rows)


def values(file: ResultFile) -> list[str]:
    """The mean headline of every arm on validation and test, a line per variant."""
    names = [arm.name for arm in file.studies[0].arms]
    is_known = any(study.reachable for study in file.studies)
    head = ["", *names, *(["reachable, test"] if is_known else [])]
    rows = [
        [
            _variant(file, study.name),
            *(f"{_mean(arm.valid_headline)} / {_mean(arm.test_headline)}" for arm in study.arms),
            *([_reachable(study)] if is_known else []),
        ]
        for study in file.studies
    ]
    return table(head, rows)


def gains_by_variant(file: ResultFile) -> list[str]:
    """The gains of the focus over every other arm on test, a line per variant."""
    others = dict.fromkeys(gain.against for gain in file.gains)
    rows = []
    for study in file.studies:
        gains_of_study = [gain for gain in file.gains if gain.study == study.name]
        texts = [f"{number(gain.gain, signed=True)} ({_interval(gain)})" for gain in gains_of_study]
        rows.append([_variant(file, study.name), *texts])
    return table([f"{title(file.gains[0].focus)} against", *others], rows)


def ways(file: ResultFile) -> list[str]:
    """What every way to a model reaches and costs; gains are over the searched HiNet on test."""
    head = ["", "way", "valid", "test", "gain on test (interval)"]
    head += ["seconds to make", "ms for 100 rows", "FLOPs a row"]
    rows = []
    for way in file.ways:
        gain = "" if way.gain is None else f"{number(way.gain, signed=True)} ({_interval(way)})"
        rows.append(
            [
                _variant(file, way.study),
                way.name,
                _mean(way.valid),
                _mean(way.test) if way.test else "not opened",
                gain,
                f"{way.seconds:,.0f}",
                "–" if way.milliseconds_per_100 is None else f"{way.milliseconds_per_100:.1f}",
                f"{way.flops_per_row:,}" if way.flops_per_row else "–",
            ]
        )
    return table(head, rows)


KINDS: dict[str, Callable[[ResultFile], list[str]]] = {
    kind.__name__: kind
    for kind in (
        leaderboard,
        gains,
        power,
        values,
        gains_by_variant,
        ways,
    )
}


def _mean(values: Sequence[float]) -> str:
    return number(fmean(values))


def _flops(arm: ArmResult) -> str:
    return f"{arm.flops_per_row:,}" if arm.flops_per_row else "–"


def _interval(gain: GainResult | WayResult) -> str:
    return f"{number(gain.low, signed=True)} to {number(gain.high, signed=True)}"


def _variant(file: ResultFile, name: str) -> str:
    """The name of a study without what all names have in common."""
    names = [study.name for study in file.studies] + [way.study for way in file.ways]
    start, end = _common(names), _common([name[::-1] for name in names])
    return name[len(start) : len(name) - len(end)].replace("_", " ")


def _common(names: Sequence[str]) -> str:
    """What all names begin with, up to a dash."""
    first, last = min(names), max(names)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[: first.rfind("-", 0, same) + 1]


def _reachable(study: StudyResult) -> str:
    """The mean of the cells that the headline is about."""
    cell = re.fullmatch(r"auc\[(.+)/(.+)\]", study.headline)
    names = [f"{cell[1]} · {cell[2]}"] if cell else list(study.reachable)
    known = [study.reachable[name] for name in names if name in study.reachable]
    return _mean(known) if known else "–"


def written(page: str) -> str:
    """The text of a page with its tables made anew."""
    with_tables = BLOCK.sub(_block, page)
    return ANSWERS.sub(lambda block: f"{block['begin']}{answers()}\n{block['end']}", with_tables)


def _block(block: re.Match[str]) -> str:
    rows = KINDS[block["kind"]](read(block["name"]))
    return "\n".join([block["begin"].rstrip("\n"), *rows, block["end"]])


def answers() -> str:
    """The first sentence of the answers of the index, with links from the top of the project."""
    main = INDEX.read_text(encoding="utf-8").split(LEFT_OUT)[0]
    rows = [
        [f"[{row['title']}](docs/results/{row['page']})", first_sentence(row["answer"])]
        for row in ANSWER.finditer(main)
    ]
    return "\n".join(table(["question", "answer"], rows))


def first_sentence(text: str) -> str:
    """A text up to the first point that ends a sentence."""
    return re.split(r"(?<=[A-Za-z0-9)%])\. (?=[A-Z])", text)[0].rstrip(".")


def names_of(page: str) -> Iterator[str]:
    """The result files that a page has tables of."""
    return (block["name"] for block in BLOCK.finditer(page))


if __name__ == "__main__":
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        if written(text) != text:
            path.write_text(written(text), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
