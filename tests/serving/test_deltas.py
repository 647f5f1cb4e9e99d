"""A delta makes the whole folder of the one before, bit for bit, or nothing; and it is small."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.serving.nightly import delta as deltas
from hinet_search.serving.sealed import manifest_hash, seal
from tests.serving.churn_shop import STUDY_DAYS, day
from tests.serving.shop import Shop, prediction_of

RUNS = "encoding/vocabulary.0.parquet::runs"


@pytest.fixture(scope="module")
def served(churning: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three nights; ids come and go, and weights learn."""
    folder = tmp_path_factory.mktemp("nights")
    shipped = churning.export("ensemble", folder / "shipped").folder
    for night in range(3):
        day(STUDY_DAYS + night).write_parquet(folder / f"{night}.parquet")
        path, to = folder / f"{night}.parquet", folder / "served"
        options = {"forget_after": 3, "learning_rate": 1e-5 if night else None}
        assert hs.nightly(shipped, path, to, **options).outcome == "promoted"
    return folder / "served" / "models"


def folder_of(at: Path, table: pl.DataFrame, weights: dict[str, Tensor]) -> Path:
    """A folder of a table and weights, sealed."""
    (at / "encoding").mkdir(parents=True)
    table.write_parquet(at / "encoding" / "vocabulary.0.parquet")
    save_file(weights, at / "weights.safetensors")
    (at / "card.md").write_text("card")
    seal(at)
    return at


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of large tables `before`, that of `after` few changes, and the delta of both."""
    folder = tmp_path_factory.mktemp("large")
    draw = np.random.default_rng(0)
    count = np.sort(draw.zipf(1.5, 50_000).clip(1, 10**6))[::-1].copy()
    table = pl.DataFrame({"value": draw.permutation(10**7)[:50_000], "count": count})
    vectors = torch.from_numpy(draw.normal(size=(50_001, 16)).astype(np.float32))
    dense = {"layer": torch.randn(8, 8), "scalar": torch.tensor(1.5), "none": torch.zeros(0, 3)}
    folder_of(folder / "before", table, {"table": vectors, **dense})
    touched = draw.choice(50_000, 500, replace=False)
    grown = count.copy()
    grown[touched] += draw.integers(1, 9, 500)
    order = np.argsort(-grown, kind="stable")
    learned = vectors.clone()
    learned[1 + touched] += 0.1
    changed_dense = {"layer": torch.randn(8, 8), "scalar": torch.tensor(2.5)}
    folder_of(
        folder / "after",
        pl.DataFrame({"value": table["value"].to_numpy()[order], "count": grown[order]}),
        {"table": torch.cat([learned[:1], learned[1:][order]]), **dense, **changed_dense},
    )
    deltas.write_delta(folder / "before", folder / "after", folder / "d.delta")
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def changed(path: Path, to: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    """A delta with changed parts."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, to)
    return to


def raw(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def parquet(table: pl.DataFrame, at: Path) -> Tensor:
    table.write_parquet(at)
    return raw(at.read_bytes())


def test_the_deltas_of_all_nights_make_each_folder_bit_for_bit(
    served: Path, tmp_path: Path
) -> None:
    before = served / "0000"
    for night in ("0001", "0002", "0003"):
        made = hs.apply_delta(before, served / f"{night}.delta", tmp_path / night)
        assert bytes_of(made) == bytes_of(served / night)
        assert manifest_hash(made) == manifest_hash(served / night)
        before = made
    assert prediction_of(before, day(20), tmp_path).rows == len(day(20))


def test_only_rows_that_changed_are_in_it(large: Path, tmp_path: Path) -> None:
    parts = load_file(large / "d.delta")
    (tmp_path / "rows").write_bytes(parts[RUNS.replace("runs", "rows")].numpy().tobytes())
    rows = pl.read_parquet(tmp_path / "rows")
    before, after = (
        pl.read_parquet(large / name / "encoding" / "vocabulary.0.parquet")
        for name in ("before", "after")
    )
    assert len(rows) == 500
    assert sorted(rows.rows()) == sorted(
        after.join(before, on=["value", "count"], how="anti").rows()
    )


def test_a_delta_of_another_folder_is_refused(large: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"base: must be the SHA-256 .* but is") as refused:
        hs.apply_delta(large / "after", large / "d.delta", tmp_path / "made")
    assert "in order" in str(refused.value.remedy)
    assert not (tmp_path / "made").exists()


def test_a_full_folder_is_not_written(large: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ConfigurationError, match="must be a new or an empty folder"):
        hs.apply_delta(large / "before", large / "d.delta", tmp_path)


@pytest.mark.parametrize("length", [0, 7, 200, -1])
def test_a_truncated_delta_is_refused(large: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.delta"
    path.write_bytes((large / "d.delta").read_bytes()[:length])
    with pytest.raises(DataError, match=r"cut\.delta: must be a safetensors file"):
        hs.apply_delta(large / "before", path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_pickle_is_not_read(large: Path, tmp_path: Path) -> None:
    torch.save({"base": torch.zeros(3)}, tmp_path / "pickle.delta")
    with pytest.raises(DataError, match="must be a safetensors file"):
        hs.apply_delta(large / "before", tmp_path / "pickle.delta", tmp_path / "made")


def _of_runs(begin: list[int], length: list[int]) -> Callable[[dict[str, Tensor], Path], None]:
    def change(parts: dict[str, Tensor], at: Path) -> None:
        parts[RUNS] = parquet(pl.DataFrame({"at": begin, "length": length}), at)

    return change


def _manifest_of(name: str) -> Callable[[dict[str, Tensor], Path], None]:
    def change(parts: dict[str, Tensor], _: Path) -> None:
        text = parts["manifest.json"].numpy().tobytes().decode()
        parts["manifest.json"] = raw(text.replace("weights.safetensors", name).encode())
        parts[name] = raw(b"owned")

    return change


def _bomb(parts: dict[str, Tensor], at: Path) -> None:
    parts[RUNS] = parquet(pl.DataFrame({"at": np.zeros(10**7, dtype=np.int64)}), at)


def _equal_rows(parts: dict[str, Tensor], at: Path) -> None:
    equal = pl.DataFrame({"bytes": [b"x" * 100_000] * 1_000})
    parts["weights.safetensors:table:rows"] = parquet(equal, at)


HOSTILE = {
    "no manifest": (lambda parts, _: parts.pop("manifest.json"), "must be a part of the delta"),
    "no base": (lambda parts, _: parts.pop("base"), "base: must be a part of the delta"),
    "floats for bytes": (
        lambda parts, _: parts.update({"base": torch.zeros(32)}),
        "base: must be a part of the delta",
    ),
    "a path out of the folder": (_manifest_of("../../stray"), "is damaged"),
    "an absolute path": (_manifest_of("/tmp/stray"), "is damaged"),
    "another file": (_manifest_of("encoding/evil.py"), "is damaged"),
    "no rows": (lambda parts, _: parts.pop(RUNS), "must be a part of the delta"),
    "rows that are none": (
        lambda parts, _: parts.update({RUNS: raw(b"PAR1" * 9)}),
        "must be a Parquet table",
    ),
    "rows of another type": (
        lambda parts, at: parts.update(
            {RUNS.replace("runs", "rows"): parquet(pl.DataFrame({"value": ["x"]}), at)}
        ),
        "must have rows of",
    ),
    "rows from before the first": (_of_runs([-1], [1]), "must have runs of"),
    "rows past the last": (_of_runs([0], [10**6]), "must have runs of"),
    "a length that overflows": (_of_runs([1], [2**63 - 1]), "must have runs of"),
    "rows without end": (_of_runs([0] * 10**4, [10] * 10**4), "must have runs of"),
    "empty runs": (_of_runs([0], [0]), "must have runs of"),
    "too many rows for its bytes": (_bomb, "must hold at most 100 rows a byte"),
    "few bytes that are 100 MB of rows": (_equal_rows, "must have at most"),
    "other rows": (_of_runs([0], [3]), r"vocabulary\.0\.parquet: has changed"),
    "another file's content": (
        lambda parts, _: parts.update({"weights.safetensors": raw(b"{}")}),
        r"weights\.safetensors: has changed",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_delta_is_refused_in_words_and_writes_nothing(
    large: Path, tmp_path: Path, kind: str
) -> None:
    change, told = HOSTILE[kind]
    inside = tmp_path / "inside"
    inside.mkdir()
    path = changed(
        large / "d.delta",
        tmp_path / "hostile.delta",
        lambda parts: change(parts, tmp_path / "table"),
    )
    (tmp_path / "table").unlink(missing_ok=True)
    with pytest.raises(DataError, match=told) as refused:
        hs.apply_delta(large / "before", path, inside / "made")
    assert "hostile.delta: must make a whole folder of" in str(refused.value)
    assert {each.name for each in tmp_path.iterdir()} == {"inside", "hostile.delta"}
    assert not [*inside.iterdir()]


def test_a_weight_of_other_bytes_is_refused(large: Path, tmp_path: Path) -> None:
    parts = load_file(large / "d.delta")
    content = {"rows": {"bytes": [b"abc"]}, "runs": {"at": [50_001], "length": [1]}}
    for kind, columns in content.items():
        part = parquet(pl.DataFrame(columns), tmp_path / "table")
        parts[f"weights.safetensors:table:{kind}"] = part
    save_file(parts, tmp_path / "odd.delta")
    with pytest.raises(DataError, match="bytes: must be 64 bytes, but is 3"):
        hs.apply_delta(large / "before", tmp_path / "odd.delta", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_night_that_promotes_nothing_leaves_no_delta_and_old_ones_go(served: Path) -> None:
    names = {each.name for each in served.iterdir()}
    assert names == {"0000", *(f"{night:04}{end}" for night in (1, 2, 3) for end in ("", ".delta"))}


def test_of_large_tables_with_few_changes_it_has_at_most_a_twentieth(
    large: Path, tmp_path: Path
) -> None:
    whole = sum(map(len, bytes_of(large / "after").values()))
    assert (large / "d.delta").stat().st_size < 0.05 * whole
    made = hs.apply_delta(large / "before", large / "d.delta", tmp_path / "made")
    assert bytes_of(made) == bytes_of(large / "after")


@pytest.mark.parametrize("num_new", [1_000, 300_000])
def test_many_new_rows_that_are_equal_make_a_delta(tmp_path: Path, num_new: int) -> None:
    table, vectors = pl.DataFrame({"value": range(100)}), torch.randn(100, 4)
    grown = torch.cat([vectors, vectors[:1].expand(num_new, -1)])
    folder_of(tmp_path / "before", table, {"table": vectors})
    folder_of(tmp_path / "after", table, {"table": grown})
    deltas.write_delta(tmp_path / "before", tmp_path / "after", tmp_path / "d.delta")
    made = hs.apply_delta(tmp_path / "before", tmp_path / "d.delta", tmp_path / "made")
    assert bytes_of(made) == bytes_of(tmp_path / "after")


@pytest.mark.parametrize("kind", ["pipe", "folder", "none"])
def test_what_is_no_file_is_refused_at_once(large: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.delta"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(DataError, match=r"odd\.delta: must be a file that nightly wrote, but"):
        hs.apply_delta(large / "before", path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_rows_that_are_equal_have_a_place_each() -> None:
    before = pl.DataFrame({"x": [1, 1, 2, None]})
    after = pl.DataFrame({"x": [1, 3, 1, 1, None, 2]})
    assert deltas._places(before, after).tolist() == [0, 4, 1, 5, 3, 2]
