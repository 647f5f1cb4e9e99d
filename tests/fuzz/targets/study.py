"""Study files: what `launch` makes of a study's YAML, up to the study in its database."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import outcome, stand_still, temporary_files_here, typed
from tests.fuzz.inputs import edited_texts

SHIPPED = Path(__file__).parents[3] / "studies"
QUICKSTART = (SHIPPED / "quickstart.yaml").read_text(encoding="utf-8")
NEW_KEYS = """\
teaching: {students: [flat_moe], trials: 1}
ensemble: true
portfolio: false
objectives: [mean_auc, flops_per_row]
inputs: {arm: mmoe, seeds: 2}
budget: 2h
least_gain: 0.001
variants: {small: {trials: 1}}
"""


def _with_new_keys() -> str:
    refitted = shop.study().replace("seeds: 2}", "seeds: 2, refit: true}")
    return refitted + NEW_KEYS


BASES = (
    shop.study(),
    shop.STUDY.replace("DATA", "data.yaml"),
    _with_new_keys(),
    *(path.read_text(encoding="utf-8") for path in sorted(SHIPPED.glob("*.yaml"))),
)


def _with(line: str) -> str:
    return shop.study() + line + "\n"


def _other(old: str, new: str) -> str:
    assert old in shop.study(), old
    return shop.study().replace(old, new)


def _quickstart_of_few_rows() -> str:
    """A sixth of the rows, which end after a sixth of the time."""
    fewer = {"rows: 36000": "rows: 6000", "valid_from: 1404000": "valid_from: 234000"}
    fewer["test_from: 1728000"] = "test_from: 288000"
    text = QUICKSTART
    for many, few in fewer.items():
        assert many in text, many
        text = text.replace(many, few)
    return text


SEEDS = {
    "the study as it is": shop.study(),
    "a study of many generated rows as it is": QUICKSTART,
    "a study of few generated rows as it is": _quickstart_of_few_rows(),
    "a study of teaching, an ensemble and refit as it is": _with_new_keys(),
    "a seed over 64 bits": _other("seed: 7", "seed: 9223372036854775808"),
    "a seed of 64 bits": _other("seed: 7", "seed: 9223372036854775807"),
    "a number of 5,000 digits": _other("trials: 2", "trials: 0x" + "f" * 5000),
    "a decimal number of 5,000 digits": _other("trials: 2", "trials: " + "9" * 5000),
    "a merge of itself": _with("a: &a {<<: *a}"),
    "an alias inside its anchor": _with("a: &a [*a]"),
    "a mapping inside itself": _with("a: &a {b: *a}"),
    "aliases of aliases": _with(
        "a: &a [1, 2, 3, 4]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: &d [*c, *c, *c]"
    ),
    "a directive that changes values": "%YAML 1.1\n---\n"
    + _other("description: a tiny shop", "description: yes"),
    "a directive of no version": "%YAML 9.9\n---\n" + shop.study(),
    "a directive of no version in a later document": "---\n%YAML 9.9\n---\n" + shop.study(),
    "a tag": _other("seed: 7", 'seed: !!python/object/apply:os.system ["id"]'),
    "20,000 brackets": _other("trials: 2", "trials: " + "[" * 20_000),
    "400 closed brackets": _other("trials: 2", "trials: " + "[" * 400 + "]" * 400),
    "a megabyte of comments": "#\n" * 490_000 + shop.study(),
    "long lines of comments": ("#" * 999 + "\n") * 900 + shop.study(),
    "a data path of a dot": _other("path: rows.csv", "path: ."),
    "a data path that is no glob": _other("path: rows.csv", "path: 'a**b['"),
    "a data path of 5,000 characters": _other("path: rows.csv", "path: " + "x" * 5000),
    "a data path with a null character": _other("path: rows.csv", 'path: "rows\\0.csv"'),
    "a data path that is a device": _other("path: rows.csv", "path: /dev/zero"),
    "a storage that is a device": _with("storage: /dev/full"),
    "a storage in a folder that cannot be made": _with("storage: /dev/null/h.db"),
    "an escape in the description": _other("a tiny shop", '"a \\e[31mred\\e[0m shop"'),
    "an escape in a scenario's name": _other("home: Home", 'home: "\\e[2JHome"'),
    "an escape in a word that is refused": _other(
        "objective: mean_auc", 'objective: "\\e]0;title\\a"'
    ),
    "an escape in a key": _with('"\\e[31m": 1'),
    "a name of an escape": _with('name: "\\e[31m"'),
    "a cluster named by the file": _other(
        "executor: local", "executor: {kind: ray, address: 127.0.0.1:1}"
    ),
    "no text": "",
    "half a character": _other("a tiny shop", "\ud800"),
    "a null character": _other("a tiny shop", "a\x00b"),
    "a model of too many parameters": _other("model.num_experts: 2", "model.num_experts: 1000000"),
    "an embedding of too many numbers": _other(
        "train.batch_size: 64", "model.embedding_dim: 2000000000"
    ),
    "widths of too many numbers": _other(
        "train.batch_size: 64", "model.tower: [1000000, 1000000, 1000000]"
    ),
    "a key that is a list": _with("? [a, b]\n: c"),
    "a key that is a date": _with("2026-01-01: c"),
    "two documents": _with("---\na: b"),
}


def inputs() -> st.SearchStrategy[str]:
    """A study in YAML with a few changes."""
    return edited_texts(BASES)


def begin(_home: Path) -> None:
    """Start no slots."""
    stand_still()


def run(text: str, _state: None) -> str:
    """Launch it."""
    shop.write(small_yaml=text, data_yaml=shop.DEFINITION)
    with temporary_files_here():
        return outcome(typed("launch", "small.yaml", "--output", "out"))
