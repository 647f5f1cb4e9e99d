"""Space files: what `check` makes of the YAML of a search space."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import outcome, stand_still, temporary_files_here, typed
from tests.fuzz.inputs import edited_texts

SHIPPED = Path(__file__).parents[3] / "spaces"
BASES = (
    shop.SPACE,
    *(
        (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
        for name in ("training", "mmoe", "ple")
    ),
)
RANGE = "{kind: int, low: 1, high: 4, default: 2}"


def _ranging(text: str) -> str:
    assert RANGE in shop.SPACE
    return shop.SPACE.replace(RANGE, text)


SEEDS = {
    "the space as it is": shop.SPACE,
    "a file that includes itself": shop.SPACE.replace("[training]", "[mine]"),
    "a bound of 5,000 digits": _ranging(
        "{kind: int, low: 1, high: 0x" + "f" * 5000 + ", default: 2}"
    ),
    "a bound over 64 bits": _ranging("{kind: int, low: 1, high: 9223372036854775808, default: 2}"),
    "a bound near the largest number": _ranging(
        "{kind: float, low: -1.7e308, high: 1.7e308, default: 2}"
    ),
    "a logarithm of nothing": _ranging("{kind: float, low: 0, high: 1, log: true, default: 0}"),
    "a merge of itself": _ranging("&a {<<: *a}"),
    "a condition on itself": _ranging(
        "{kind: int, low: 1, high: 4, default: 2, when: {model.num_experts: [2]}}"
    ),
    "choices of nothing": _ranging("{kind: categorical, choices: [], default: 1}"),
    "choices of lists": _ranging("{kind: categorical, choices: [[1], [2]], default: [1]}"),
    "a name with an escape": shop.SPACE.replace("model.dropout", '"model.\\e[31m"'),
    "a path to a device": shop.SPACE.replace("[training]", "[/dev/zero]"),
    "most parameters over 64 bits": shop.SPACE.replace("1000000", "99999999999999999999"),
}


def inputs() -> st.SearchStrategy[str]:
    """A space in YAML with a few changes."""
    return edited_texts(BASES)


def begin(_home: Path) -> None:
    """Measure nothing."""
    stand_still()


def run(text: str, _state: None) -> str:
    """Check a study with it."""
    shop.write(
        small_yaml=shop.study()
        .replace("hinet: , ", "")
        .replace(", flat_moe: {size_of: hinet}", ""),
        mine_yaml=text,
    )
    with temporary_files_here():
        return outcome(typed("check", "small.yaml", "--output", "out"))
