"""Public: no format names a person, a machine or a path, and the numbers are unchanged."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from hinet_search.common import plugins
from hinet_search.report.redact import HIDDEN, redact
from hinet_search.results.data_record import LeakSuspect
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
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
    """A study in which every field that may name a person or a place does."""
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
    record = redact(private()) if is_public else private()
    return {
        ending: _legible(text)
        for kind in plugins.names(FORMATS)
        for ending, text in plugins.load(FORMATS, kind).files(record).items()
    }


def _legible(text: str) -> str:
    """Return a page without its base64 contents, which the JSON format covers."""
    return re.sub(r'<script type="application/gzip".*?</script>', "", text, flags=re.DOTALL)


def has(text: str, word: str) -> bool:
    """Whether a word of the text starts so: `ann` is not in cannot, planned or channel."""
    return re.search(rf"(?<![a-z]){re.escape(word)}", text, re.IGNORECASE) is not None


@pytest.mark.parametrize("word", PRIVATE)
def test_no_format_of_a_public_report_has_a_private_word(word: str) -> None:
    by_ending = texts(is_public=True)
    assert [ending for ending, text in by_ending.items() if has(text, word)] == []


@pytest.mark.parametrize("word", PRIVATE)
def test_a_report_that_is_not_public_has_them(word: str) -> None:
    assert any(has(text, word) for text in texts(is_public=False).values())


def test_the_verdict_and_every_number_stay() -> None:
    assert verdict(redact(private())) == verdict(private())
    assert [arm.finalists for arm in redact(private()).arms] == [
        arm.finalists for arm in private().arms
    ]


def test_of_a_cause_its_kind_stays() -> None:
    causes = [trial.cause for trial in redact(private()).arms[0].trials[-4:]]
    assert causes == [
        "FileNotFoundError",
        f"worker on {HIDDEN} died",
        f"cannot write {HIDDEN}",
        "diverged",
    ]


def test_trials_outside_the_budget_stay_outside() -> None:
    record = few_rows()
    again = replace(record.arms[0].trials[1], cause="duplicate of trial 0: see /home/ann")
    arm = replace(record.arms[0], trials=(again,))
    assert not redact(replace(record, arms=(arm,))).arms[0].trials[0].counts


@pytest.mark.parametrize(
    "text",
    [
        "Home feed/click",
        "412 rows/s",
        "train / valid / test",
        "time: from 2026-11-01",
        "AUC 0.7123",
    ],
)
def test_words_that_are_no_place_stay(text: str) -> None:
    record = few_rows()
    published = redact(replace(record, data=replace(record.data, warnings=(text,))))
    assert published.data.warnings == (text,)
