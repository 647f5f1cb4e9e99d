"""With many buckets a value, a hashed field tells a network nearly what its values do."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_hashing_costs_little_auc_with_ten_buckets_a_value_and_more_with_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(BENCHMARKS)])
    auc = import_module("hashed_ids").auc
    areas = []
    for buckets_a_value in (None, 10, 4):
        folder = tmp_path / str(buckets_a_value)
        folder.mkdir()
        areas.append(auc(folder, buckets_a_value))
    plain, ten, four = areas
    assert plain > 0.77
    assert plain - 0.02 < ten < plain
    assert plain - 0.035 < four < ten
