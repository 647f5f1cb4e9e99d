"""Damaged encoded data are encoded again when a study opens them."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import definition, prepared, shop

from hinet_search.common import files
from hinet_search.common.errors import DataError
from hinet_search.data import encoded_folder
from hinet_search.data import prepare as preparing
from hinet_search.data.columns import Dataset
from hinet_search.data.encoded_folder import open_dataset
from hinet_search.data.prepare import prepare, reopen


def overwrite(file: Path, place: int) -> None:
    """Another byte in place of one."""
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(content)


def again(folder: Path) -> tuple[Dataset, list[str]]:
    messages: list[str] = []
    return prepare(definition(), folder, folder / "cache", messages.append), messages


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@settings(max_examples=8)
@given(st.sampled_from(["delete", "truncate", "overwrite", "empty manifest"]), st.integers(0, 30))
def test_a_broken_folder_is_rebuilt_to_the_same_bytes(damage: str, which: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = prepared(shop(), Path(name)).folder
        before = contents(folder)
        files = sorted(folder.iterdir())
        chosen = files[which % len(files)]
        if damage == "empty manifest":
            chosen = folder / encoded_folder.MANIFEST
        if damage == "delete":
            chosen.unlink()
        elif damage == "overwrite":
            overwrite(chosen, chosen.stat().st_size // 2)
        else:
            os.truncate(chosen, chosen.stat().st_size // 2)
        _, messages = again(Path(name))
        assert contents(folder) == before
        assert messages[0].startswith(f"encoding again, as {folder} is damaged: {chosen.name}")


@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize(
    "name",
    ["train.numeric_RN.npy", "test.labels_RT.npy", "frequencies.npy", "vocabulary.0.parquet"],
)
def test_one_overwritten_byte_is_found_and_reported(name: str, place: int, tmp_path: Path) -> None:
    file = prepared(shop(), tmp_path).folder / name
    overwrite(file, place % file.stat().st_size)
    _, messages = again(tmp_path)
    assert messages[0].endswith(
        f"{name} must have the bytes that were written, but some have changed"
    )


def test_a_digit_that_changed_in_the_manifest_is_found_and_reported(tmp_path: Path) -> None:
    manifest = prepared(shop(), tmp_path).folder / encoded_folder.MANIFEST
    manifest.write_text(manifest.read_text().replace('"mean": 9', '"mean": 8'))
    with pytest.raises(DataError, match=r"must hold encoded data, but dataset\.json is damaged"):
        open_dataset(manifest.parent)
    assert again(tmp_path)[1][0].endswith("dataset.json is damaged")


def test_a_job_opens_what_was_checked_without_reading_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(shop(), tmp_path).folder
    monkeypatch.setattr(encoded_folder, "_crc32", lambda _: pytest.fail("it was read"))
    assert reopen(folder).train.num_rows == 420


def test_a_file_that_cannot_be_read_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(shop(), tmp_path).folder

    def broken_disk(path: Path) -> int:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(encoded_folder, "_crc32", broken_disk)
    broken = folder / "frequencies.npy"
    assert encoded_folder.damage(folder) == f"{broken} cannot be read: Input/output error"


def test_encoded_files_are_on_the_disk_before_they_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Path] = []
    monkeypatch.setattr(files, "_force", lambda path: forced.append(path) or path)
    folder = prepared(shop(), tmp_path).folder
    assert {path.name for path in folder.iterdir()} < {path.name for path in forced}


def test_encoded_data_that_are_large_are_said_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(shop(), tmp_path)
    monkeypatch.setattr(preparing, "LARGE_BYTES", 1)
    assert again(tmp_path)[1] == ["checking 0.0 GB of encoded data"]
