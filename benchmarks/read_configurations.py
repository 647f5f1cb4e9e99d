"""Configurations of FuxiCTR and TorchEasyRec as they are published: what is made of every value.

    python benchmarks/read_configurations.py --fuxictr CLONE --torcheasyrec CLONE --only MMoE DIN

Every experiment of `model_zoo` and every file of `examples` is read and written as a study, which
is loaded and encodes rows: the clone's own, else made-up ones of its columns. Then every value is
replaced by a strange one, alone. It is carried over if the study changes or the strange value is
refused; told if it is named with a reason; the same if only the strange value is named, as this one
means what is done here anyway; and dropped if nothing changes.
"""

import argparse
import contextlib
import copy
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from hinet_search.common.errors import ConfigurationError, HinetSearchError
from hinet_search.common.spaced import say_nothing
from hinet_search.data.peers.convert import convert
from hinet_search.data.peers.found import SPLITS, FoundConfiguration, FoundInput
from hinet_search.data.peers.fuxictr import read_fuxictr
from hinet_search.data.peers.row_links import split_folder
from hinet_search.data.peers.text_format import parsed_text_format
from hinet_search.data.peers.torcheasyrec import read_torcheasyrec
from hinet_search.data.prepare import prepare
from hinet_search.study.load_study import load_study
from hinet_search.study.yaml_file import written
from hinet_search.study.yaml_text import parsed
from layout import aligned

STRANGE = (977, "strange")
OUTCOMES = ("carried", "same", "told", "dropped")
NUM_ROWS = 300
NAME = "read"

At = tuple[Any, ...]
Outcome = FoundConfiguration | str  # what is read, or why it is refused


@dataclass(frozen=True)
class Example:
    """A configuration: its files as trees, those of its values that count, and how it is read.

    `home` is where their trainer runs.
    """

    title: str
    home: Path
    trees: dict[str, Any]
    places: list[tuple[str, At]]
    read: Callable[[dict[str, Any]], FoundConfiguration]

    def outcome(self, trees: dict[str, Any]) -> Outcome:
        try:
            with contextlib.chdir(self.home):
                return self.read(trees)
        except ConfigurationError as error:
            return str(error)


def examples_of_fuxictr(clone: Path, scratch: Path) -> Iterator[Example]:
    """Yield the experiments; where they have no data set of their own, all values count."""
    for path in sorted(clone.glob("model_zoo/**/model_config.yaml")):
        texts = {file.name: file.read_text(encoding="utf-8") for file in path.parent.glob("*.yaml")}
        trees = {name: parsed(text, str)[0] for name, text in texts.items()}
        experiments = [name for name in trees["model_config.yaml"] if name != "Base"]
        for experiment in experiments:
            yield Example(
                f"{path.parent.relative_to(clone / 'model_zoo').parent}: {experiment}",
                path.parent.parent,
                trees,
                list(_of_experiment(trees, experiment)),
                lambda trees, of=experiment: _read_folder(trees, scratch, of),  # type: ignore[misc]
            )


def _of_experiment(trees: dict[str, Any], experiment: str) -> Iterator[tuple[str, At]]:
    """Yield the values of an experiment, those of Base that it has, and of the data sets."""
    own = trees["model_config.yaml"][experiment]
    for at in leaves(trees["model_config.yaml"]):
        if at[0] == experiment or (at[0] == "Base" and at[1] not in own):
            yield "model_config.yaml", at
    data_sets = trees.get("dataset_config.yaml", {})
    used = own.get("dataset_id") if own.get("dataset_id") in data_sets else next(iter(data_sets), 0)
    for at in leaves(data_sets):
        if at and at[0] == used:
            yield "dataset_config.yaml", at


def _read_folder(trees: dict[str, Any], scratch: Path, experiment: str) -> FoundConfiguration:
    for name, tree in trees.items():
        (scratch / name).write_text(written(tree), encoding="utf-8")
    for name in ("dataset_config.yaml", "model_config.yaml"):
        if name not in trees:
            (scratch / name).unlink(missing_ok=True)
    return read_fuxictr(scratch, experiment=experiment)


def examples_of_torcheasyrec(clone: Path, scratch: Path) -> Iterator[Example]:
    def read(trees: dict[str, Any]) -> FoundConfiguration:
        path = scratch / "pipeline.config"
        path.write_text(text_format(trees["pipeline.config"])[1:-1], encoding="utf-8")
        return read_torcheasyrec(path)

    for path in sorted(clone.glob("examples/*.config")):
        tree, _ = parsed_text_format(path.read_text(encoding="utf-8"), str)
        places = [("pipeline.config", at) for at in leaves(tree)]
        yield Example(path.stem, clone, {"pipeline.config": tree}, places, read)


def leaves(value: Any, at: At = ()) -> Iterator[At]:
    """Where the values of a tree are; a mapping or list without any is one."""
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*at, key))
    else:
        yield at


def text_format(value: Any) -> str:
    """A value as protobuf text."""
    if isinstance(value, dict):
        return "{ " + " ".join(f"{name}: {text_format(of)}" for name, of in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_format, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03o}" for byte in value.encode()) + '"'
    return str(value).lower()


def kinds_of_values(example: Example, before: FoundConfiguration) -> dict[tuple[str, At], str]:
    """What became of every value."""
    return {place: _kind(example, before, *place) for place in example.places}


def _kind(example: Example, before: FoundConfiguration, file: str, at: At) -> str:
    is_named = False
    for strange in STRANGE:
        after = example.outcome(_with(example.trees, file, at, strange))
        if isinstance(after, str) or _without_words(after) != _without_words(before):
            return "carried"
        is_named |= after != before
    if not is_named:
        return "dropped"
    return "told" if before.all_unread != _unread_without(example, file, at) else "same"


def _unread_without(example: Example, file: str, at: At) -> Any:
    """What is told if a value is not there at all."""
    trees = copy.deepcopy(example.trees)
    node = trees[file]
    for step in at[:-1]:
        node = node[step]
    del node[at[-1]]
    after = example.outcome(trees)
    return after if isinstance(after, str) else after.all_unread


def _without_words(found: FoundConfiguration) -> FoundConfiguration:
    return replace(found, unread=(), carried=replace(found.carried, unread=(), keys={}))


def _with(trees: dict[str, Any], file: str, at: At, value: Any) -> dict[str, Any]:
    """The trees with another value at a place; an empty message gets a field."""
    changed = copy.deepcopy(trees)
    node = changed[file]
    for step in at[:-1]:
        node = node[step]
    node[at[-1]] = {"strange": value} if node[at[-1]] == {} else value
    return changed


def study_of(found: FoundConfiguration) -> str:
    """Write the study, and encode rows; whose they are and how many."""
    converted = convert(found, NAME, None, force=True)
    if not converted.num_files:
        make_up(found)
    study = load_study(str(converted.draft.files[1]))
    with tempfile.TemporaryDirectory() as cache:
        dataset = prepare(study.spec.data, study.folder, Path(cache), say_nothing)
    whose = "theirs" if converted.num_files else "made up"
    return f"{sum(dataset.record.rows):,} {whose}"


def make_up(found: FoundConfiguration) -> None:
    """Write rows of the columns into the folder of links."""
    for number, split in enumerate(SPLITS):
        rows = range(number, NUM_ROWS + number)
        columns = {column.column: _values(column, rows) for column in found.inputs}
        columns |= {label: [row * 7 % 3 // 2 for row in rows] for label in found.tasks.values()}
        for name in (found.scenario, found.user):
            if name:
                columns.setdefault(name, [row % 5 for row in rows])
        if found.weight:
            columns[found.weight] = [1.0 + row % 2 for row in rows]
        has_scenario = bool(found.scenario)
        folder = split_folder(Path("data", NAME), split, has_scenario=has_scenario)
        folder.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(columns).write_parquet(folder / "rows.parquet")


def _values(column: FoundInput, rows: range) -> list[Any]:
    if column.kind == "numeric":
        return [row % 11 / 2 for row in rows]
    if column.kind == "categorical":
        return [row % 13 for row in rows]
    lists = [[row % 13, row % 5] for row in rows]
    if not column.separator:
        return lists
    return [column.separator.join(map(str, ids)) for ids in lists]


def line_of(example: Example) -> tuple[str, ...]:
    """What became of a configuration."""
    before = example.outcome(example.trees)
    if isinstance(before, str):
        print(f"refused: {example.title}: {before}")
        return (example.title, *[""] * 6, "refused")
    kinds = kinds_of_values(example, before)
    for place, kind in kinds.items():
        if kind == "dropped":
            print(f"dropped in {example.title}: {place}")
    counts = Counter(kinds.values())
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            rows = study_of(before)
        except HinetSearchError as error:
            print(f"refused: rows of {example.title}: {error}")
            rows = "refused"
    of_values = [f"{counts[kind]}" for kind in OUTCOMES]
    return (example.title, before.model or "none", str(len(before.inputs)), *of_values, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fuxictr", type=Path, help="a clone of reczoo/FuxiCTR")
    parser.add_argument("--torcheasyrec", type=Path, help="of alibaba/TorchEasyRec")
    parser.add_argument("--only", nargs="*", help="parts of titles, all by default")
    asked = parser.parse_args()
    lines: list[tuple[str, ...]] = [("configuration", "arm", "inputs", *OUTCOMES, "rows")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        examples: list[Example] = []
        if asked.fuxictr:
            examples += examples_of_fuxictr(asked.fuxictr.resolve(), folder)
        if asked.torcheasyrec:
            examples += examples_of_torcheasyrec(asked.torcheasyrec.resolve(), folder)
        only = asked.only or [""]
        chosen = [each for each in examples if any(part in each.title for part in only)]
        lines += [line_of(example) for example in chosen]
    print(aligned(lines))


if __name__ == "__main__":
    main()
