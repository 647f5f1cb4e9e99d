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
    "brackets 20,000 deep": (("trials", "[" * 20_000),),
    "a second document": (("trials", "3\n---\na: b"),),
    "a half character": (("description", "\udcff"),),
    "a storage that is a device": (("storage", "/dev/full"),),
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
