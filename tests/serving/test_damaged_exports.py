"""A damaged folder is refused or scores finite probabilities, with fresh hashes or without."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import torch as of_torch
from safetensors.numpy import load_file, save_file

from hinet_search.common.errors import DataError, HinetSearchError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from tests.serving import damage
from tests.serving.exported import write_export
from tests.serving.shop import Shop, edited, predicted, rows, test_part

ARMS = ("hinet", "trees")
CPU = torch.device("cpu")
WEIGHTS = "weights.safetensors"
NUM_FLIPS, NUM_OTHERS = 25, 40  # of each arm


@pytest.fixture(scope="module", params=ARMS)
def intact(
    request: pytest.FixtureRequest, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return Path(shop.export(request.param, tmp_path_factory.mktemp("whole") / "model").folder)


@pytest.fixture
def copied(intact: Path, tmp_path: Path) -> Path:
    """A folder to damage."""
    return Path(shutil.copytree(intact, tmp_path / "of" / "model"))


@pytest.fixture
def score(tmp_path: Path) -> Callable[[Path], pl.DataFrame]:
    few = test_part(rows())[:60].drop("clicked", "bought")
    return lambda folder: predicted(folder, few, tmp_path)


def each(intact: Path, cases: list[tuple[str, damage.Damage]], tmp_path: Path, *, sealed: bool):
    """Return the damaged folder of each case."""
    for number, (name, change) in enumerate(cases):
        folder = Path(shutil.copytree(intact, tmp_path / str(number) / "model"))
        change(folder)
        if sealed:
            seal(folder)
        yield name, folder
        shutil.rmtree(tmp_path / str(number))


def test_a_changed_file_is_refused(intact: Path, tmp_path: Path) -> None:
    cases = [
        case for case in damage.of_files(intact, random.Random(1), 20) if "flipped" not in case[0]
    ]
    for name, folder in each(intact, cases, tmp_path, sealed=False):
        with pytest.raises(DataError) as caught:
            open_folder(folder, CPU)
        assert caught.value.remedy, name


def test_a_folder_that_was_sealed_after_damage_is_refused_or_scores(
    intact: Path, tmp_path: Path, score
) -> None:
    generator = random.Random(2)
    others = [*damage.of_settings(intact), *damage.of_weights(WEIGHTS), *damage.of_tables(intact)]
    cases = [*damage.of_files(intact, generator, NUM_FLIPS), *generator.sample(others, NUM_OTHERS)]
    for name, folder in each(intact, cases, tmp_path, sealed=True):
        try:
            scores = score(folder).select("click", "buy").to_numpy()
        except HinetSearchError:
            continue
        assert np.all((scores >= 0) & (scores <= 1)), name


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "",
        "[" * 100_000,
        '{"config.yaml": "0"}',
        '{"../../x": "' + "0" * 64 + '"}',
        '{"a\\u001b[31mb": "x"}',
        "\xff",
    ],
    ids=range(8),
)
def test_a_manifest_that_names_other_files_is_refused(text: str, copied: Path) -> None:
    (copied / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"manifest\.json: must hold the hash"):
        open_folder(copied, CPU)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(number: float, copied: Path) -> None:
    for name, change in damage.of_weights(WEIGHTS):
        if name == f"first tensor {number}":
            change(copied)
    seal(copied)
    with pytest.raises(
        DataError,
        match=r"weights\.safetensors: must hold (finite weights, got NaN or infinity in |"
        r"the weights of .*leaf_value must be numbers)",
    ):
        open_folder(copied, CPU)


def test_a_folder_sealed_without_a_file_is_reported_with_that_file(copied: Path) -> None:
    (copied / "encoding" / "vocabulary.1.parquet").unlink()
    seal(copied)
    with pytest.raises(DataError, match=r"of no other, but lacks encoding/vocabulary\.1\.parquet"):
        open_folder(copied, CPU)


def test_a_file_that_is_a_link_out_of_the_folder_is_refused(copied: Path) -> None:
    damage.link(copied / WEIGHTS)
    with pytest.raises(
        DataError, match=r"weights\.safetensors: must lie in the folder, but is a link to "
    ):
        open_folder(copied, CPU)


def test_a_model_too_large_for_its_weights_is_refused_before_it_takes_memory(
    shop: Shop, tmp_path: Path
) -> None:
    folder = shop.export("mmoe", tmp_path / "mmoe").folder
    edited(folder, {"embedding_dim: 8": "embedding_dim: 1000000"})
    with pytest.raises(
        DataError,
        match=r"must hold the weights of its model as it is built here, .* must be float32",
    ):
        open_folder(folder, CPU)


def test_a_folder_of_another_format_is_reported(copied: Path) -> None:
    config = copied / "config.yaml"
    config.write_text(config.read_text().replace("format: 5", "format: 4"))
    seal(copied)
    with pytest.raises(DataError, match=r"config\.yaml:2:1: format must be 5, got 4"):
        open_folder(copied, CPU)


def test_a_folder_whose_name_looks_like_a_glob_is_opened(copied: Path, score) -> None:
    expected = score(copied)
    assert score(copied.rename(copied.with_name("model[1]*"))).equals(expected)


def test_weights_that_are_not_finite_are_not_exported(shop: Shop, tmp_path: Path) -> None:
    (seed,) = shop.export("star", tmp_path / "good").seeds
    path = shop.weights("star", seed)
    content = path.read_bytes()
    tensors = load_file(path)
    next(array for array in tensors.values() if array.dtype.kind == "f").flat[0] = np.nan
    save_file(tensors, path)
    try:
        with pytest.raises(DataError, match=f"{path.name}: must hold finite weights, got NaN"):
            shop.export("star", tmp_path / "folder")
    finally:
        path.write_bytes(content)
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64, torch.uint32]
)
def test_weights_of_a_type_that_no_training_writes_are_refused_in_words(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    folder = write_export(tmp_path / "model")
    tensors = of_torch.load_file(folder / WEIGHTS)
    first = next(iter(tensors))
    of_torch.save_file({**tensors, first: tensors[first].to(dtype)}, folder / WEIGHTS)
    seal(folder)
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(DataError, match=rf"types of training, such as float32, got {name} \["):
        open_folder(folder, CPU)
