"""Written: what a configuration of another library says, as a definition and a study."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hinet_search.data.definition_text import printable, quoted
from hinet_search.data.draft_files import StudyText
from hinet_search.data.peers.found import FoundConfiguration, FoundInput
from hinet_search.data.peers.row_links import ONE_SCENARIO, SPLIT
from hinet_search.data.peers.rules import Unread
from hinet_search.study.distributions import Value
from hinet_search.study.event_definition import key_name
from hinet_search.study.load_study import NUMBER_ENCODING, PASSES, SEQUENCE_READER
from hinet_search.study.search_space import load_space

YOURS = "yours"  # the arm that is their model
SEED = "seed"
USUAL_PASSES = 4
# Of every network: these are the arms of the study that is written.
ARMS = ("hinet", "mmoe", "ple", "shared_bottom")
# What the training of any of them does where it says nothing.
THEIR_DEFAULTS: Mapping[str, Value] = {
    "train.weight_decay": 0.0,
    "train.embedding_learning_rate_multiplier": 1.0,
    "train.rate_decay": False,
    "features.unit_scale": False,
    "features.minimum_frequency": 1,
    "model.dropout": 0.0,
    NUMBER_ENCODING: "standardised",
}
# Settings of their model from which the searched arms start too.
SHARED = ("train.batch_size", "model.embedding_dim")


@dataclass(frozen=True)
class TableOfLinks:
    """The table that the definition names, from the study's folder, and what is to be checked."""

    path: str
    scenario: str
    to_check: str = ""


def definition_of(found: FoundConfiguration, table: TableOfLinks) -> str:
    """Return the text of the definition."""
    return "".join(f"{printable(line)}\n" for line in _definition_lines(found, table))


def _definition_lines(found: FoundConfiguration, table: TableOfLinks) -> Iterator[str]:
    yield f"# Written from {found.library}'s {quoted(found.name)}. Every key: docs/data.md"
    check = f"   # check: {table.to_check}" if table.to_check else ""
    yield f"source: {{kind: table, path: {quoted(table.path)}}}{check}"
    one = "   # there is one scenario" if table.scenario == ONE_SCENARIO else ""
    yield f"scenario: {{column: {quoted(table.scenario)}}}{one}"
    yield "tasks:"
    for name, column in found.tasks.items():
        yield f"  {quoted(name)}: {{column: {quoted(column)}}}"
    for key, named in (("user", found.user), ("weight", found.weight)):
        if named:
            yield f"{key}: {quoted(named)}"
    yield "features:"
    yield from _feature_lines(found, table.scenario)
    yield f"split: {{by: column, column: {SPLIT}}}"


def inputs_of(found: FoundConfiguration, scenario: str) -> list[FoundInput]:
    """Return the inputs beside the scenario, which is one of its own."""
    return [column for column in found.inputs if column.column != scenario]


def _feature_lines(found: FoundConfiguration, scenario: str) -> Iterator[str]:
    inputs = inputs_of(found, scenario)
    for kind in ("categorical", "numeric"):
        columns = [column.column for column in inputs if column.kind == kind]
        if columns:
            yield f"  {kind}:"
        for column in columns:
            yield f"    - {quoted(column)}"
    yield from _list_lines([column for column in inputs if column.kind == "list"], scenario)
    crosses = [pair for pair in found.crosses if scenario not in pair]
    if crosses:
        yield f"  crosses: [{', '.join(f'[{quoted(a)}, {quoted(b)}]' for a, b in crosses)}]"
    fields = [*(column.column for column in inputs), *map(key_name, crosses)]
    hashed = [name for name in fields if name in found.hashed]
    if hashed:
        yield "  hashed:"
    for name in hashed:
        yield f"    {quoted(name)}: {found.hashed[name]}"


def _list_lines(lists: Sequence[FoundInput], scenario: str) -> Iterator[str]:
    if lists:
        yield "  lists:"
    for column in lists:
        yield f"    {quoted(column.column)}: {{{', '.join(_list_keys(column, scenario))}}}"


def _list_keys(column: FoundInput, scenario: str) -> Iterator[str]:
    yield f"column: {quoted(column.column)}"
    if column.item and column.item != scenario:
        yield f"item: {quoted(column.item)}"
    if column.length is not None:
        yield f"length: {column.length}"
    if column.separator:
        yield f"separator: {quoted(column.separator)}"


def study_of(found: FoundConfiguration, unread: Sequence[Unread], scenario: str) -> StudyText:
    """Return the study, with what is not carried over as comments at its end."""
    settings = found.carried.settings
    passes = settings.get(PASSES, USUAL_PASSES)
    assert isinstance(passes, int)
    what = f"{found.their_model} of {found.name}" if found.their_model else found.name
    heading = [f"# Not carried over from {found.library}:"] if unread else []
    return StudyText(
        description=printable(quoted(f"What is better than {what}?")),
        own_arms=[printable(line) for line in _own_arms(found, scenario)],
        settings=[printable(line) for line in _setting_lines(settings, found)],
        passes=passes,
        quick_passes=min(passes, USUAL_PASSES),
        notes=[*heading, *(printable(f"#   {each.in_words}") for each in unread)],
    )


def _own_arms(found: FoundConfiguration, scenario: str) -> Iterator[str]:
    """Yield the arm of their model, all of it fixed, and of the same model, searched."""
    if not found.model:
        return
    yield f"  {YOURS}:                       # {found.their_model} with your settings, not searched"
    yield f"    model: {found.model}"
    yield f"    space: {found.model}"
    yield "    fixed:"
    for name, value in own_settings(found, scenario).items():
        key = found.carried.keys.get(name)
        origin = f"from {key}" if key else "follows from the model"
        if name not in found.carried.settings:
            origin = "is not said there"
        yield f"      {quoted_name(name)}: {in_yaml(value)}   # {origin}"
    if found.model not in ARMS:
        yield f"  {found.model}:"


def own_settings(found: FoundConfiguration, scenario: str) -> dict[str, Value]:
    """Return the settings of their model: what is carried over, and defaults for all others."""
    inputs = inputs_of(found, scenario)
    given = {**THEIR_DEFAULTS, **found.defaults, **found.carried.settings}
    for name in (PASSES, SEED):
        given.pop(name, None)
    if not any(column.kind == "numeric" for column in inputs):
        del given[NUMBER_ENCODING]
    space = load_space(found.model).without_parameters([SEQUENCE_READER, NUMBER_ENCODING])
    space = space.with_fixed(given, YOURS)
    return {**given, **space.values(space.default())}


def settings_of_no_arm(found: FoundConfiguration) -> list[Unread]:
    """Return the settings that only an arm of their model could have, where there is none."""
    if found.model:
        return []
    of_study = {PASSES, SEED, *SHARED}
    return [
        Unread(found.carried.keys[name], f"would be {name}: {in_yaml(value)} of an arm of yours")
        for name, value in found.carried.settings.items()
        if name not in of_study
    ]


def _setting_lines(settings: Mapping[str, Value], found: FoundConfiguration) -> Iterator[str]:
    """Yield the keys of the study that follow from their settings."""
    yield "# `hinet-search data describe` prints where arms should start, for your rows"
    shared = {name: settings[name] for name in SHARED if name in settings}
    if shared:
        yield "parameters:"
    for name, value in shared.items():
        assert isinstance(value, int)
        choices = dict.fromkeys([max(1, value // 2), value, value * 2])
        yield f"  {name}: {{default: {value}, choices: {in_yaml(tuple(choices))}}}"
    if SEED in settings:
        yield f"seed: {in_yaml(settings[SEED])}"
    if found.model:
        yield "cost_limit: null               # your model may cost more than the default HiNet"


def quoted_name(name: str) -> str:
    """Return a dotted name as a YAML key."""
    return name if all(quoted(part) == part for part in name.split(".")) else quoted(name)


def in_yaml(value: Value) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, str):
        return quoted(value)
    return json.dumps(list(value) if isinstance(value, tuple) else value)
