"""Keys that 1.0 removed are refused with the reason and what to use instead."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.load_study import load_study
from hinet_search.training.trial_config import build_config
from tests.study_texts import DATA

STUDY = DATA + "arms: {shared_bottom: }\n"


def refusal(text: str, folder: Path) -> str:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_study(str(path))
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("crosses: [[user_id, item_id]]", "no gain was shown"),
        ("hashed: {user_id: 9}", "search features.minimum_frequency"),
    ],
)
def test_a_gone_key_of_features_is_refused_with_its_reason(
    key: str, reason: str, tmp_path: Path
) -> None:
    told = refusal(STUDY.replace("[user_id]", f"[user_id], {key}"), tmp_path)
    assert f"'{key.partition(':')[0]}' is gone since 1.0: " in told
    assert reason in told


@pytest.mark.parametrize(
    ("name", "value", "page"),
    [
        ("train.embedding_optimiser", "sparse_adam", "README.md"),
        ("train.embedding_optimiser", "rowwise_adagrad", "README.md"),
        ("model.san.stop_gradient", True, "README.md"),
        ("features.number_encoding", "periodic", "gone.md"),
    ],
)
def test_a_gone_setting_is_refused_with_the_page_that_measured_it(
    name: str, value: str | bool, page: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"is gone since 1.0: .*docs/results/{page}"):
        build_config("hinet", {name: value})


TRACKING = "'tracking' is gone since 1.0: one file: report STUDY --mlflow logs"
ONE_BY_ONE = "is gone since 1.0: every slot trains its models one by one"
GONE = {
    "tracking: mlflow": TRACKING,
    "tracking: {kind: tensorboard}": TRACKING,
    "trials: 1\ntracking: x": TRACKING,
    "stacked_trials: 4": ONE_BY_ONE,
    "finalists: {shared_batches: true}": ONE_BY_ONE,
    "workers: 2": ONE_BY_ONE,
    "pruner: asha": "'asha' is gone since 1.0: leave it out, or use median",
    "pruner: hyperband": "'hyperband' is gone since 1.0: leave it out, or use median",
}


@pytest.mark.parametrize("line", GONE)
def test_a_gone_key_of_a_study_is_refused_with_its_reason(line: str, tmp_path: Path) -> None:
    assert GONE[line] in refusal(f"{STUDY}{line}\n", tmp_path)
