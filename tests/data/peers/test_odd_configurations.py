"""Whatever stands in place of a value, a configuration is written as a study or refused in words."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hinet_search.common.errors import HinetSearchError
from hinet_search.data.peers.convert import convert
from hinet_search.data.peers.fuxictr import read_fuxictr
from hinet_search.data.peers.text_format import parsed_text_format
from hinet_search.data.peers.torcheasyrec import read_torcheasyrec
from hinet_search.study.yaml_file import written
from tests.data.peers.peer_files import (
    DATASET,
    EXPERIMENTS,
    MMOE,
    PEPNET,
    PIPELINE,
    PLE,
    as_text_format,
    fuxictr_folder,
    pipeline_file,
    tree_of,
    with_value,
)

ODD = (None, [[1]], {"a": {"b": 1}}, -1, "\n# x: [")


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every value of a tree is, of mappings and lists too."""
    if at:
        yield at
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*at, key))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text"), [("dataset_config.yaml", DATASET), ("model_config.yaml", EXPERIMENTS)]
)
def test_an_odd_value_of_fuxictr_is_written_or_refused(folder: Path, file: str, text: str) -> None:
    config = fuxictr_folder(folder)
    tree = tree_of(text)
    refused: list[str] = []
    for at in places(tree):
        for odd in ODD:
            (config / file).write_text(written(with_value(tree, at, odd)), encoding="utf-8")
            try:
                convert(read_fuxictr(config), "shop", None, force=True)
            except HinetSearchError as error:
                refused.append(str(error))
    assert refused


@pytest.mark.slow
@pytest.mark.parametrize("model", [PLE, PEPNET])
def test_an_odd_value_of_torcheasyrec_is_written_or_refused(folder: Path, model: str) -> None:
    path = pipeline_file(folder, model)
    tree, _ = parsed_text_format(path.read_text(), str)
    refused: list[str] = []
    for at in places(tree):
        for odd in ODD:
            fields = with_value(tree, at, odd)
            path.write_text(as_text_format(fields)[1:-1], encoding="utf-8")
            try:
                convert(read_torcheasyrec(path), "shop", None, force=True)
            except HinetSearchError as error:
                refused.append(str(error))
    assert refused


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(0, len(PIPELINE)), st.integers(0, 40), st.text(max_size=5))
def test_an_edited_pipeline_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, new: str
) -> None:
    path = tmp_path_factory.mktemp("edited") / "shop.config"
    text = PIPELINE.replace("MODEL", MMOE)
    path.write_text(f"{text[:start]}{new}{text[start + length :]}", encoding="utf-8")
    with suppress(HinetSearchError):
        assert read_torcheasyrec(path).library == "TorchEasyRec"
