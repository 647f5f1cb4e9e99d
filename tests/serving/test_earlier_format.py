"""Earlier format: a folder that format 1 wrote opens and scores as it did then.

format_1/ holds a folder with two seeds, some rows, and the scores that its version gave them.
"""

import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.ensemble_records import Member, RunKey
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal

STORED = Path(__file__).parent / "format_1"
CPU = torch.device("cpu")


def test_a_folder_of_format_1_scores_rows_as_it_did(tmp_path: Path) -> None:
    hs.predict(STORED / "model", STORED / "rows.parquet", tmp_path / "scores.parquet")
    now, then = (
        pl.read_parquet(tmp_path / "scores.parquet"),
        pl.read_parquet(STORED / "scores.parquet"),
    )
    assert now.columns == then.columns
    assert_allclose(
        now.select("click", "buy").to_numpy(), then.select("click", "buy").to_numpy(), atol=1e-6
    )


def test_the_seeds_of_format_1_are_members_of_equal_weight() -> None:
    file = open_folder(STORED / "model", CPU).file
    assert file.members == (
        Member(RunKey("mmoe", 0, 97645949), 0.5),
        Member(RunKey("mmoe", 0, 1199983140), 0.5),
    )
    assert (file.name, file.scale) == ("mmoe", "probabilities")


def test_an_unknown_setting_of_format_1_is_reported_with_its_line(tmp_path: Path) -> None:
    folder = shutil.copytree(STORED / "model", tmp_path / "model")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("    patience:", "    patiense:"))
    seal(folder)
    with pytest.raises(ConfigurationError, match=r"config\.yaml:30:5: .*did you mean 'patience'"):
        open_folder(folder, CPU)
