"""YAML: what `launch`, `check` and `data describe` make of a study, a space or a data definition."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import typed
from tests.fuzz.inputs import edited_texts

ROOT = Path(__file__).parents[3]
SHIPPED = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("studies/*.yaml"))]
QUICKSTART = (ROOT / "studies/quickstart.yaml").read_text(encoding="utf-8")
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
    text = QUICKSTART
    for many, few in (("36000", "6000"), ("1404000", "234000"), ("1728000", "288000")):
        assert many in text, many
        text = text.replace(many, few)
    return text


REFITTED = shop.study().replace("seeds: 2}", "seeds: 2, refit: true}") + NEW_KEYS
STUDIES: dict[str, Given] = {
    "the study as it is": ("study", shop.study()),
    "a study of many generated rows": ("study", QUICKSTART),
    "a study of few generated rows": ("study", _quickstart_of_few_rows()),
    "a study of teaching, an ensemble and refit": ("study", REFITTED),
    "a seed over 64 bits": _study("seed: 7", "seed: 9223372036854775808"),
    "a seed of 64 bits": _study("seed: 7", "seed: 9223372036854775807"),
    "a number of 5,000 digits": _study("trials: 2", "trials: 0x" + "f" * 5000),
    "a decimal number of 5,000 digits": _study("trials: 2", "trials: " + "9" * 5000),
    "a merge of itself": _with("a: &a {<<: *a}"),
    "an alias inside its anchor": _with("a: &a [*a]"),
    "a mapping inside itself": _with("a: &a {b: *a}"),
    "aliases of aliases": _with(
        "a: &a [1, 2, 3, 4]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: &d [*c, *c, *c]"
    ),
    "a directive that changes values": (
        "study",
        "%YAML 1.1\n---\n" + shop.study().replace("a tiny shop", "yes"),
    ),
    "a directive of no version": ("study", "%YAML 9.9\n---\n" + shop.study()),
    "one in a later document": ("study", "---\n%YAML 9.9\n---\n" + shop.study()),
    "a tag": _study("seed: 7", 'seed: !!python/object/apply:os.system ["id"]'),
    "20,000 brackets": _study("trials: 2", "trials: " + "[" * 20_000),
    "400 closed brackets": _study("trials: 2", "trials: " + "[" * 400 + "]" * 400),
    "a megabyte of comments": ("study", "#\n" * 490_000 + shop.study()),
    "long lines of comments": ("study", ("#" * 999 + "\n") * 900 + shop.study()),
    "a data path of a dot": _study("path: rows.csv", "path: ."),
    "a data path that is no glob": _study("path: rows.csv", "path: 'a**b['"),
    "a data path of 5,000 characters": _study("path: rows.csv", "path: " + "x" * 5000),
    "a data path with a null character": _study("path: rows.csv", 'path: "rows\\0.csv"'),
    "a data path that is a device": _study("path: rows.csv", "path: /dev/zero"),
    "a storage that is a device": _with("storage: /dev/full"),
    "a storage in a folder that cannot be made": _with("storage: /dev/null/h.db"),
    "an escape in the description": _study("a tiny shop", '"a \\e[31mred\\e[0m shop"'),
    "an escape in a scenario's name": _study("home: Home", 'home: "\\e[2JHome"'),
    "an escape in a word that is refused": _study("mean_auc", '"\\e]0;title\\a"'),
    "an escape in a key": _with('"\\e[31m": 1'),
    "a name of an escape": _with('name: "\\e[31m"'),
    "a cluster named by the file": _study(
        "executor: local", "executor: {kind: ray, address: 127.0.0.1:1}"
    ),
    "no text": ("study", ""),
    "half a character": _study("a tiny shop", "\ud800"),
    "a null character": _study("a tiny shop", "a\x00b"),
    "a model of too many parameters": _study("num_experts: 2", "num_experts: 1000000"),
    "an embedding of too many numbers": _study(
        "train.batch_size: 64", "model.embedding_dim: 2000000000"
    ),
    "widths of too many numbers": _study(
        "train.batch_size: 64", "model.tower: [1000000, 1000000, 1000000]"
    ),
    "a key that is a list": _with("? [a, b]\n: c"),
    "a key that is a date": _with("2026-01-01: c"),
    "two documents": _with("---\na: b"),
}
SPACES: dict[str, Given] = {
    "the space as it is": ("space", shop.SPACE),
    "a space that includes itself": _changed("space", "[training]", "[mine]", shop.SPACE),
    "a bound of 5,000 digits": _space(
        "{kind: int, low: 1, high: 0x" + "f" * 5000 + ", default: 2}"
    ),
    "a bound over 64 bits": _space("{kind: int, low: 1, high: 9223372036854775808, default: 2}"),
    "a bound near the largest number": _space(
        "{kind: float, low: -1.7e308, high: 1.7e308, default: 2}"
    ),
    "a logarithm of nothing": _space("{kind: float, low: 0, high: 1, log: true, default: 0}"),
    "a merge of itself in a space": _space("&a {<<: *a}"),
    "a condition on itself": _space(
        "{kind: int, low: 1, high: 4, default: 2, when: {model.num_experts: [2]}}"
    ),
    "choices of nothing": _space("{kind: categorical, choices: [], default: 1}"),
    "choices of lists": _space("{kind: categorical, choices: [[1], [2]], default: [1]}"),
    "a name with an escape": _changed("space", "model.dropout", '"model.\\e[31m"', shop.SPACE),
    "a path to a device": _changed("space", "[training]", "[/dev/zero]", shop.SPACE),
    "most parameters over 64 bits": _changed(
        "space", "1000000", "99999999999999999999", shop.SPACE
    ),
}
BY_TIME = "by: time, valid_from: 140, test_from: 190"
SEEN = "  lists: {seen: {column: colour, item: item, length: 4000000000}}\n  statistics"
DEFINITIONS: dict[str, Given] = {
    "the definition as it is": ("data", shop.DEFINITION),
    "a definition with a join and statistics": ("data", shop.RICH),
    "a definition with events, sessions and a sequence": ("data", shop.LOGGED),
    "a sequence of itself": _data("items: [item]", "items: [seen]", shop.LOGGED),
    "a sequence of ten million rows": _data("length: 5", "length: 10000000", shop.LOGGED),
    "a window of no length": _data("[10m, all]", "[0s, all]", shop.LOGGED),
    "a delay of a million years": _data("gap: 5m", "gap: 365000000d", shop.LOGGED),
    "one column as user and time": _data(
        "time: minute", "time: user", _data(BY_TIME, "by: random")[1]
    ),
    "a path of a dot": _data("rows.csv", "."),
    "a path that is no glob": _data("rows.csv", "'a**b['"),
    "a path of 5,000 characters": _data("rows.csv", "x" * 5000),
    "a path of a device": _data("rows.csv", "/dev/zero"),
    "an escape in a column's name": _data("[price, age]", '["\\e[31mprice", age]'),
    "an escape in a scenario": _data("home: Home", 'home: "\\e[31mHome"'),
    "an escape in a task's name": _data("click: {", '"\\e[31m": {'),
    "a rate that is no number": _data("test_from: 190", "test_from: .nan"),
    "a cut of 5,000 digits": _data("test_from: 190", "test_from: 0x" + "f" * 5000),
    "a cut over 64 bits": _data("test_from: 190", "test_from: 99999999999999999999"),
    "a label over 64 bits": _data("above: 0", "above: 99999999999999999999"),
    "a label that equals a number over 64 bits": _data("above: 0", "equals: 99999999999999999999"),
    "a seed over 64 bits in data": _data("seed: 3", "seed: 9223372036854775808", shop.RICH),
    "a seed under 64 bits": _data("seed: 3", "seed: -99999999999999999999", shop.RICH),
    "a frequency over 64 bits": _data(
        "minimum_frequency: 2", "minimum_frequency: 9223372036854775808"
    ),
    "a list of 4,000,000,000": _data("  statistics", SEEN, shop.RICH),
    "lists that are texts": _data(
        "  statistics", SEEN.replace(", length: 4000000000", ""), shop.RICH
    ),
    "an alias of itself": ("data", shop.DEFINITION + "a: &a {b: *a}\n"),
    "YAML 1.1": ("data", "%YAML 1.1\n---\n" + shop.DEFINITION),
    "a row's number as the user": _data("user: user", "user: minute"),
    "a label as the scenario": _data(
        "column: place, values: {home: Home, push: Push}", "column: click"
    ),
    "an item as the time": _data("time: minute", "time: item"),
    "a join on a column that is not there": _data("on: item", "on: nothing", shop.RICH),
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
