"""Events and sessions are trained on; a model that reads them is not exported, others are."""

from pathlib import Path

import pytest

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.study_record import StudyRecord
from tests.serving.shop import rows

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: minute
  time_unit: s
  features:
    categorical: [user, item]
    numeric: [price, age]
    statistics: {by: [user]}
    events: {by: [user, [user, item]], labels_after: 10s, windows: [1m, all], last: 1}
    session: {gap: 30s}
  split: {by: time, valid_from: 1000, test_from: 1200}
  not_finite: impute
arms:
  all: {model: hinet}
  trees: {model: trees}
  visits: {model: mmoe, fixed: {features.groups: session}}
  counted: {model: mmoe, fixed: {features.groups: statistics}}
  raw: {model: mmoe, fixed: {features.groups: none}}
trials: 1
passes: 1
finalists: {top: 1, seeds: 1}
fixed: {train.batch_size: 128}
slots: 1
device: cpu
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def record(folder: Path) -> StudyRecord:
    rows().write_parquet(folder / "shop.parquet")
    (folder / "shop.yaml").write_text(STUDY)
    return hs.launch(str(folder / "shop.yaml"), output=folder / "out")


def test_models_train_on_events_and_sessions(record: StudyRecord) -> None:
    assert record.state == "done"
    assert {arm.name for arm in record.arms if arm.finalists} == {arm.name for arm in record.arms}
    assert dict(record.data.groups) == {"statistics": 3, "events": 18, "session": 2}


@pytest.mark.parametrize(
    ("arm", "read"),
    [
        ("all", "data.features.events and data.features.session"),
        ("trees", "data.features.events and data.features.session"),
        ("visits", "data.features.session"),
    ],
)
def test_a_model_that_reads_the_log_is_not_exported(
    folder: Path, record: StudyRecord, arm: str, read: str
) -> None:
    target = folder / f"of {arm}"
    with pytest.raises(ConfigurationError) as caught:
        hs.export(str(folder / "shop.yaml"), target, arm=arm, output=folder / "out")
    assert record.state == "done"
    assert str(caught.value) == (
        f"{folder / 'shop.yaml'}: a model that is exported must not read {read}: the log that "
        "they are made of is no part of an export\n"
        "launch the study with 'fixed: {features.groups: statistics}', and export that"
    )
    assert not target.exists()


@pytest.mark.parametrize("arm", ["counted", "raw"])
def test_a_model_without_the_log_is_exported(folder: Path, record: StudyRecord, arm: str) -> None:
    target = folder / f"of {arm}"
    hs.export(str(folder / "shop.yaml"), target, arm=arm, output=folder / "out")
    assert record.state == "done"
    assert any(target.iterdir())
