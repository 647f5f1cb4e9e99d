"""Pages of results say what spaces search, and the table of cold starts is as its page says."""

import importlib
import re
from pathlib import Path

import pytest

from hinet_search.study.search_space import load_space

RESULTS = Path(__file__).parents[1] / "docs" / "results"


@pytest.mark.parametrize(
    "name", ["pepnet", "m3oe", "m2m", "hamur", "adasparse", "dcn_v2", "final_mlp"]
)
def test_the_page_of_rivals_says_what_is_searched_of_every_newer_model(name: str) -> None:
    page = (RESULTS / "rivals.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    said = set(re.findall(r"`([\w.]+)`", row)) - {name}
    own = {
        setting.removeprefix("model.")
        for setting in load_space(name).parameters
        if setting.startswith("model.")
    }
    assert said == own - {"embedding_dim"}


def test_a_new_scenario_and_unseen_users_and_items_are_not_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(RESULTS))
    cold = importlib.import_module("cold_start_table")
    table = cold.synthetic.load(cold.OPTIONS, Path(), Path()).collect()
    table = table.with_columns(**cold.split_columns(table))
    push = table.filter(table["scenario"] == "push")
    trained = {
        name: (push[name] == "train").sum() for name in ("new_0", "new_1", "new_10", "new_100")
    }
    assert trained["new_0"] == 0
    assert trained["new_1"] / trained["new_100"] == pytest.approx(0.01, abs=0.003)
    assert trained["new_10"] / trained["new_100"] == pytest.approx(0.1, abs=0.01)
    assert set(table.filter(table["scenario"] == "home")["new_0"]) == {"train", "none"}
    for kind, column in (("users", "user_id"), ("items", "item_id")):
        seen, unseen = f"{kind}_seen", f"{kind}_unseen"
        scored = set(push.filter(push[unseen].is_in(["valid", "test"]))[column])
        trained_seen = set(push.filter(push[seen] == "train")[column])
        trained_unseen = set(push.filter(push[unseen] == "train")[column])
        assert scored == set(push.filter(push[seen].is_in(["valid", "test"]))[column])
        assert not scored & trained_unseen
        assert len(scored & trained_seen) > 0.8 * len(scored)
        elsewhere = set(table.filter(table[unseen] == "train")[column])
        assert len(scored & elsewhere) > 0.95 * len(scored)
