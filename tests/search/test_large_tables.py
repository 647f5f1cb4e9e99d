"""What `check` says of studies whose data have very many ids."""

import re
from pathlib import Path

import pytest

from hinet_search import api
from hinet_search.search.plan import plan_warnings
from hinet_search.search.plan.plan_warnings import large_defaults, rows_not_looked_up
from hinet_search.study.launch_options import LaunchOptions
from tests.search.test_plan import ONE_ARM
from tests.small import STUDY, write_study


def test_a_plan_says_that_a_default_has_more_parameters_than_the_limit(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("include: [shared_bottom]\nmax_parameters: 3000\n")
    text = ONE_ARM.replace("{shared_bottom: }", "{shared_bottom: {space: tiny}}")
    study = str(write_study(tmp_path, text))
    ready = api.ready(study, LaunchOptions(output=tmp_path / "out"))
    (warning,) = large_defaults(ready)
    assert re.match(
        r"arm shared_bottom: its default has [\d,]+ parameters, [\d,]+ of them of embeddings; "
        r"max_parameters is 3,000, so larger draws are not trained",
        warning,
    )


def test_a_plan_says_which_arms_update_very_many_rows_of_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = "{model: mmoe, fixed: {train.embedding_optimiser: lazy_adam}}"
    arms = f"arms: {{shared_bottom: , mmoe: {lazy}, trees: }}"
    study = str(write_study(tmp_path, STUDY.replace("arms: {shared_bottom: , mmoe: }", arms)))
    ready = api.ready(study, LaunchOptions(output=tmp_path / "out"))
    assert not list(rows_not_looked_up(ready))
    monkeypatch.setattr(plan_warnings, "MANY_IDS", 10)
    (warning,) = rows_not_looked_up(ready)
    assert re.fullmatch(
        r"train.embedding_optimiser adam updates all [\d,]+ rows of ids in every step "
        r"\(shared_bottom\); lazy_adam updates those of the batch alone",
        warning,
    )
