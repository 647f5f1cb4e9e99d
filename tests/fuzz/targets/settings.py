"""Settings: what `launch --set NAME=VALUE` makes of names and values."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import typed
from tests.fuzz.inputs import CHARACTERS, values

NAMES = """
trials epochs seed slots device objective reference name description storage executor sampler
executor.kind executor.address sampler.kind pruner.after_epochs finalists finalists.seeds
finalists.top finalists.refit cost_limit silence_minutes fixed arms arms.mmoe
arms.mmoe.fixed.model.dropout arms.x.model arms.mmoe.size_of train.batch_size train.learning_rate
train.epochs train.patience model.embedding_dim model.num_experts model.protocol features.groups
features.minimum_frequency data data.source data.source.path data.source.kind data.source.url
data.source.query data.split.by data.split.valid_from data.scenario.values data.user
data.tasks.click.column data.tasks.click.above data.features.numeric data.minimum_frequency sizes
sizes.quick.trials sizes.quick.teaching teaching teaching.students ensemble objectives budget
inputs inputs.seeds portfolio variants variants.small.trials parameters warm_start
comparison.margin serving a . .. a. .a train. data. é
"""
SEEDS = {
    "a number": (("trials", "3"),),
    "brackets 20,000 deep": (("trials", "[" * 20_000),),
    "closed brackets 2,000 deep": (("trials", "[" * 2000 + "]" * 2000),),
    "braces 20,000 deep": (("trials", "{a: " * 20_000),),
    "a tag": (("seed", '!!python/x ["id"]'),),
    "a tag of a word": (("seed", "!x y"),),
    "a seed over 64 bits": (("seed", "9223372036854775808"),),
    "a number of 5,000 digits": (("trials", "0x" + "f" * 5000),),
    "an alias of itself": (("fixed", "&a {b: *a}"),),
    "a merge of itself": (("fixed", "&a {<<: *a}"),),
    "a second document": (("trials", "3\n---\na: b"),),
    "a line that ends the value": (("trials", "3\nseed: 4"),),
    "a name of 5,000 characters": (("a" * 5000, "3"),),
    "an escape in the value": (("objective", '"\\e[31m"'),),
    "an escape in the name": (("\x1b[31m", "3"),),
    "a value of an escape": (("description", "\x1b[31mred"),),
    "a half character": (("description", "\udcff"),),
    "a data path of a dot": (("data.source.path", "."),),
    "a data path that is no glob": (("data.source.path", "a**b["),),
    "a storage that is a device": (("storage", "/dev/full"),),
    "a part of a number": (("trials.x", "3"),),
    "a size that is not there": (("sizes.x.trials", "3"),),
    "sizes that are no texts": (("sizes", "{: {trials: 1}}"),),
    "variants of nothing known": (("variants", "{a: {nope: 1}}"),),
    "a part of nothing": (("", "3"),),
}


def inputs() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    """One to three settings."""
    name = st.sampled_from(NAMES.split()) | st.text(CHARACTERS, max_size=6)
    return st.lists(st.tuples(name, values()), min_size=1, max_size=3).map(tuple)


def run(settings: tuple[tuple[str, str], ...], _home: Path) -> None:
    """Launch a study with them; as a shell gives them, without null characters."""
    shop.write(small_yaml=shop.study())
    words = []
    for name, value in settings:
        words += ["--set", _as_typed(f"{name}={value}".replace("\x00", ""))]
    typed("launch", "small.yaml", "--output", "out", *words)


def _as_typed(word: str) -> str:
    """The word as Python gets it: bytes that are no UTF-8 are half characters."""
    try:
        raw = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a half character that stands for no byte
        raw = word.encode("utf-8", "replace")
    return raw.decode("utf-8", "surrogateescape")
