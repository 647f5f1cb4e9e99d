"""YAML: what `launch`, `check` and `data describe` make of a study, a space or a data definition."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import typed
from tests.fuzz.inputs import edited_texts

ROOT = Path(__file__).parents[3]
SHIPPED = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("studies/*.yaml"))]
NEW_KEYS = """\
teaching: {students: [flat_moe], trials: 1}
ensemble: true
portfolio: false
objectives: [mean_auc, flops_per_row]
inputs: {arm: mmoe, seeds: 2}
budget: 2h
variants: {small: {trials: 1}}
"""
RANGE = "{kind: int, low: 1, high: 4, default: 2}"
Given = tuple[str, str]  # the kind of a file, and its text


def _changed(kind: str, old: str, new: str, text: str) -> Given:
    assert old in text, old
    return kind, text.replace(old, new)


def _study(old: str, new: str) -> Given:
    return _changed("study", old, new, shop.study())


def _with(line: str) -> Given:
    return "study", f"{shop.study()}{line}\n"


def _space(text: str) -> Given:
    return _changed("space", RANGE, text, shop.SPACE)


def _data(old: str, new: str, text: str = shop.DEFINITION) -> Given:
    return _changed("data", old, new, text)


def _quickstart_of_few_rows() -> str:
    """A sixth of the rows, which end after a sixth of the time."""
    text = (ROOT / "studies/quickstart.yaml").read_text(encoding="utf-8")
    for many, few in (("36000", "6000"), ("1404000", "234000"), ("1728000", "288000")):
        assert many in text, many
        text = text.replace(many, few)
    return text


REFITTED = shop.study().replace("seeds: 2}", "seeds: 2, refit: true}") + NEW_KEYS
STUDIES: dict[str, Given] = {
    "the study as it is": ("study", shop.study()),
    "a study of few generated rows": ("study", _quickstart_of_few_rows()),
    "a study of teaching, an ensemble and refit": ("study", REFITTED),
    "a megabyte of comments": ("study", "#\n" * 490_000 + shop.study()),
    "a data path that is a device": _study("path: rows.csv", "path: /dev/zero"),
    "a storage in a folder that cannot be made": _with("storage: /dev/null/h.db"),
    "an escape in a scenario's name": _study("home: Home", 'home: "\\e[2JHome"'),
    "half a character": _study("a tiny shop", "\ud800"),
    "a model of too many parameters": _study("num_experts: 2", "num_experts: 1000000"),
    "widths of too many numbers": _study(
        "train.batch_size: 64", "model.tower: [1000000, 1000000, 1000000]"
    ),
}
SPACES: dict[str, Given] = {
    "the space as it is": ("space", shop.SPACE),
    "a bound near the largest number": _space(
        "{kind: float, low: -1.7e308, high: 1.7e308, default: 2}"
    ),
    "a path to a device": _changed("space", "[training]", "[/dev/zero]", shop.SPACE),
}
SEEN = "  lists: {seen: {column: colour, item: item, length: 4000000000}}\n  statistics"
DEFINITIONS: dict[str, Given] = {
    "the definition as it is": ("data", shop.DEFINITION),
    "a definition with a join and statistics": ("data", shop.RICH),
    "a definition with events, sessions and a sequence": ("data", shop.LOGGED),
    "a sequence of ten million rows": _data("length: 5", "length: 10000000", shop.LOGGED),
    "a cut of 5,000 digits": _data("test_from: 190", "test_from: 0x" + "f" * 5000),
    "a list of 4,000,000,000": _data("  statistics", SEEN, shop.RICH),
    "a row's number as the user": _data("user: user", "user: minute"),
}
SEEDS = {**STUDIES, **SPACES, **DEFINITIONS}


def inputs() -> st.SearchStrategy[Given]:
    """A file in YAML with a few changes."""
    spaces = [(ROOT / f"spaces/{name}.yaml").read_text() for name in ("training", "mmoe", "ple")]
    kinds = {
        "study": [shop.study(), shop.STUDY.replace("DATA", "data.yaml"), REFITTED, *SHIPPED],
        "space": [shop.SPACE, *spaces],
        "data": [shop.DEFINITION, shop.RICH, shop.LOGGED],
    }
    return st.one_of(st.tuples(st.just(kind), edited_texts(bases)) for kind, bases in kinds.items())


def run(given: Given, _home: Path) -> None:
    """Write the file into a shop, and run the commands that read it."""
    kind, text = given
    if kind == "study":
        shop.write(small_yaml=text, data_yaml=shop.DEFINITION)
        typed("launch", "small.yaml", "--output", "out")
        return
    if kind == "space":
        study = shop.study().replace("hinet: , ", "").replace(", flat_moe: {size_of: hinet}", "")
        shop.write(small_yaml=study, mine_yaml=text)
    else:
        shop.write(small_yaml=shop.STUDY.replace("DATA", "data.yaml"), data_yaml=text)
        typed("data", "describe", "small.yaml", "--output", "out")
    typed("check", "small.yaml", "--output", "out")
