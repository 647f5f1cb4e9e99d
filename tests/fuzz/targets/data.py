"""Data definitions: what `data describe` and `check` make of their YAML."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import outcome, stand_still, temporary_files_here, typed
from tests.fuzz.inputs import edited_texts

BASES = (shop.DEFINITION, shop.RICH, shop.LOGGED)


def _other(old: str, new: str, text: str = shop.DEFINITION) -> str:
    assert old in text, old
    return text.replace(old, new)


SEEDS = {
    "the definition as it is": shop.DEFINITION,
    "a definition with a join and statistics": shop.RICH,
    "a definition with events, sessions and a sequence": shop.LOGGED,
    "a sequence of itself": _other("items: [item]", "items: [seen]", shop.LOGGED),
    "a sequence of ten million rows": _other("length: 5", "length: 10000000", shop.LOGGED),
    "a window of no length": _other("[10m, all]", "[0s, all]", shop.LOGGED),
    "a delay of a million years": _other("gap: 5m", "gap: 365000000d", shop.LOGGED),
    "one column as user and time": _other(
        "time: minute",
        "time: user",
        _other("by: time, valid_from: 140, test_from: 190", "by: random"),
    ),
    "a path of a dot": _other("rows.csv", "."),
    "a path that is no glob": _other("rows.csv", "'a**b['"),
    "a path of 5,000 characters": _other("rows.csv", "x" * 5000),
    "a path of a device": _other("rows.csv", "/dev/zero"),
    "an escape in a column's name": _other("[price, age]", '["\\e[31mprice", age]'),
    "an escape in a scenario's name": _other("home: Home", 'home: "\\e[31mHome"'),
    "an escape in a task's name": _other("click: {", '"\\e[31m": {'),
    "a rate that is no number": _other("test_from: 190", "test_from: .nan"),
    "a cut of 5,000 digits": _other("test_from: 190", "test_from: 0x" + "f" * 5000),
    "a cut over 64 bits": _other("test_from: 190", "test_from: 99999999999999999999"),
    "a label over 64 bits": _other("above: 0", "above: 99999999999999999999"),
    "a label that equals a number over 64 bits": _other("above: 0", "equals: 99999999999999999999"),
    "a seed over 64 bits": _other("seed: 3", "seed: 9223372036854775808", shop.RICH),
    "a seed under 64 bits": _other("seed: 3", "seed: -99999999999999999999", shop.RICH),
    "a frequency over 64 bits": _other(
        "minimum_frequency: 2", "minimum_frequency: 9223372036854775808"
    ),
    "a list of 4,000,000,000": _other(
        "  statistics",
        "  lists: {seen: {column: colour, item: item, length: 4000000000}}\n  statistics",
        shop.RICH,
    ),
    "lists that are texts": _other(
        "  statistics", "  lists: {seen: {column: colour, item: item}}\n  statistics", shop.RICH
    ),
    "an alias of itself": shop.DEFINITION + "a: &a {b: *a}\n",
    "YAML 1.1": "%YAML 1.1\n---\n" + shop.DEFINITION,
    "a row's number as the user": _other("user: user", "user: minute"),
    "a label as the scenario": _other(
        "column: place, values: {home: Home, push: Push}", "column: click"
    ),
    "an item as the time": _other("time: minute", "time: item"),
    "a join on a column that is not there": _other("on: item", "on: nothing", shop.RICH),
}


def inputs() -> st.SearchStrategy[str]:
    """A definition in YAML with a few changes."""
    return edited_texts(BASES)


def begin(_home: Path) -> None:
    """Measure nothing."""
    stand_still()


def run(text: str, _state: None) -> str:
    """Describe the data and check the study."""
    shop.write(small_yaml=shop.STUDY.replace("DATA", "data.yaml"), data_yaml=text)
    with temporary_files_here():
        described = typed("data", "describe", "small.yaml", "--output", "out")
        return outcome(described, typed("check", "small.yaml", "--output", "out"))
