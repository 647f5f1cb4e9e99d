"""No value of another library's configuration can change without a difference in what is made of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.peers.found import FoundConfiguration
from hinet_search.data.peers.fuxictr import read_fuxictr
from hinet_search.data.peers.torcheasyrec import read_torcheasyrec
from hinet_search.study.yaml_file import written
from tests.data.peers.peer_files import (
    BOTTOM,
    DATASET,
    DCN,
    EXPERIMENTS,
    MMOE,
    PEPNET,
    PLE,
    fuxictr_folder,
    pipeline_file,
    tree_of,
    with_value,
)

STRANGE = (977, "strange")


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the scalars of a tree are."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*at, key))
    else:
        yield at


def outcome_of_fuxictr(folder: Path, file: str, tree: Any) -> FoundConfiguration | str:
    (folder / file).write_text(written(tree), encoding="utf-8")
    try:
        return read_fuxictr(folder)
    except ConfigurationError as error:
        return str(error)


@pytest.mark.parametrize(
    ("file", "text"), [("dataset_config.yaml", DATASET), ("model_config.yaml", EXPERIMENTS)]
)
def test_every_value_of_fuxictr_makes_a_difference(tmp_path: Path, file: str, text: str) -> None:
    folder = fuxictr_folder(tmp_path)
    tree = tree_of(text)
    before = outcome_of_fuxictr(folder, file, tree)
    assert isinstance(before, FoundConfiguration)
    without = [
        at
        for at in leaves(tree)
        for value in STRANGE
        if outcome_of_fuxictr(folder, file, with_value(tree, at, value)) == before
    ]
    assert [at for at in without if at not in OF_NO_USE] == []


OF_NO_USE = {
    ("Base", "batch_size"),  # the experiment has its own
    ("shop", "feature_cols", 4, "type"),  # of a feature that is not active
    ("shop", "feature_cols", 5, "type"),  # of a feature that their code makes
}
VALUE = re.compile(r"(?<=[:\[,] )(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_.]+)|(?<=\[)[0-9.]+")


@pytest.mark.parametrize("model", [MMOE, PLE, DCN, PEPNET, BOTTOM])
def test_every_value_of_torcheasyrec_makes_a_difference(tmp_path: Path, model: str) -> None:
    path = pipeline_file(tmp_path, model)
    text = path.read_text()
    before = read_torcheasyrec(path)
    without = []
    values = list(VALUE.finditer(text))
    assert len(values) > 40
    for value in values:
        for strange in ("977", '"strange"'):
            path.write_text(f"{text[: value.start()]}{strange}{text[value.end() :]}")
            try:
                is_equal = read_torcheasyrec(path) == before
            except ConfigurationError:
                continue
            if is_equal:
                without.append(text[max(0, value.start() - 40) : value.end()])
    assert without == []
