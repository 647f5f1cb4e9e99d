"""Public: nothing that names a person, a machine or a place is in any format, and the numbers are the same."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from hinet_search import plugins
from hinet_search.compare import verdict
from hinet_search.records import LeakSuspect, StudyRecord, TrialRecord
from hinet_search.report.public import HIDDEN, public
from tests.report.nine_arms import few_rows

FORMATS = "hinet_search.report.formats"
PRIVATE = ("ann", "gpu-7", "/home", "/data", "C:\\", "secret", "orders_2026", "postgresql")
FAILURES = (
    "FileNotFoundError: [Errno 2] No such file or directory: '/home/ann/orders_2026.parquet'",
    "worker on ann@gpu-7.corp.example died: signal 9",
    "cannot write C:\\Users\\ann\\secret",
    "diverged\nTraceback\n  File /data/ann/train.py",
)


def private() -> StudyRecord:
    """A study in which every field that may name somebody or some place does."""
    record = few_rows()
    trials = tuple(
        TrialRecord(90 + k, "failed", None, {"data.cache": "~ann/cache"}, False, cause, (), None)
        for k, cause in enumerate(FAILURES)
    )
    arms = tuple(
        replace(arm, fixed={**arm.fixed, "data.path": "/data/ann"}, trials=(*arm.trials, *trials))
        for arm in record.arms
    )
    data = replace(
        record.data,
        source="table /home/ann/orders_2026.parquet s3://secret/orders_2026",
        split="by column 'split' of ../ann/orders_2026.parquet",
        warnings=("3 rows of data/ann/orders_2026.parquet are there twice",),
        leaks=(LeakSuspect("clicked_before", "click", 0.97),),
    )
    return replace(
        record,
        description="for ann on gpu-7",
        command="hinet-search launch /home/ann/shop.yaml --storage postgresql://ann:secret@gpu-7/h --output /data/ann",
        study_yaml="# ann, gpu-7\ndata: /home/ann/orders_2026.yaml\n",
        versions={**record.versions, "hinet-search": "0.1.0+file:///home/ann/hinet"},
        arms=arms,
        data=data,
    )


@cache
def texts(*, is_public: bool) -> Mapping[str, str]:
    record = public(private()) if is_public else private()
    return {
        ending: _legible(text)
        for kind in plugins.names(FORMATS)
        for ending, text in plugins.load(FORMATS, kind).files(record).items()
    }


def _legible(text: str) -> str:
    """A page without what it holds in base64: its document is a format of its own."""
    return re.sub(r'<script type="application/gzip".*?</script>', "", text, flags=re.DOTALL)


def has(text: str, word: str) -> bool:
    """Whether the word begins anywhere in the text: `ann` does not in cannot, planned or channel."""
    return re.search(rf"(?<![a-z]){re.escape(word)}", text, re.IGNORECASE) is not None


@pytest.mark.parametrize("word", PRIVATE)
def test_no_format_of_a_public_report_has_a_private_word(word: str) -> None:
    found = texts(is_public=True)
    assert [ending for ending, text in found.items() if has(text, word)] == []


@pytest.mark.parametrize("word", PRIVATE)
def test_a_report_that_is_not_public_has_them(word: str) -> None:
    assert any(has(text, word) for text in texts(is_public=False).values())


def test_the_verdict_and_every_number_stay() -> None:
    assert verdict(public(private())) == verdict(private())
    assert [arm.finalists for arm in public(private()).arms] == [arm.finalists for arm in private().arms]


def test_of_a_cause_its_kind_stays() -> None:
    causes = [trial.cause for trial in public(private()).arms[0].trials[-4:]]
    assert causes == ["FileNotFoundError", f"worker on {HIDDEN} died", f"cannot write {HIDDEN}", "diverged"]


def test_trials_outside_the_budget_stay_outside() -> None:
    record = few_rows()
    again = replace(record.arms[0].trials[1], cause="duplicate of trial 0: see /home/ann")
    arm = replace(record.arms[0], trials=(again,))
    assert not public(replace(record, arms=(arm,))).arms[0].trials[0].counts


@pytest.mark.parametrize(
    "text", ["Home feed/click", "412 rows/s", "train / valid / test", "time: from 2026-11-01", "AUC .7123"]
)
def test_words_that_are_no_place_stay(text: str) -> None:
    record = few_rows()
    shown = public(replace(record, data=replace(record.data, warnings=(text,))))
    assert shown.data.warnings == (text,)
