"""Two launches are one study if nothing that defines the experiment differs; each difference is named."""

from pathlib import Path

import pytest

from hinet_search.common.errors import StudyConflict
from hinet_search.search.identity import identity, refuse_difference
from hinet_search.study.load_study import ResolvedStudy, load_study
from tests.study_texts import DATA

SPACE = """\
parameters:
  train.learning_rate: {kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}
  model.tower.widths: {kind: widths, choices: {none: [], "16": [16]}, default: none}
fixed: {train.patience: 3}
"""
STUDY = (
    DATA
    + """\
arms: {mmoe: {space: x}}
"""
)


EVERY_LINE = "study 's' exists with another "


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(more: str = "", study: str = STUDY, space: str = SPACE) -> ResolvedStudy:
    Path("x.yaml").write_text(space)
    Path("s.yaml").write_text(study + more)
    return load_study("s.yaml")


def differences(
    before: ResolvedStudy, after: ResolvedStudy, fingerprints: tuple[str, str] = ("f00d", "f00d")
) -> tuple[str, ...]:
    """Return the lines of the refusal, without their common beginning."""
    with pytest.raises(StudyConflict) as caught:
        refuse_difference("s", identity(before, fingerprints[0]), identity(after, fingerprints[1]))
    assert all(line.startswith(EVERY_LINE) for line in caught.value.problems)
    return tuple(line.removeprefix(EVERY_LINE) for line in caught.value.problems)


def accept(before: ResolvedStudy, after: ResolvedStudy) -> None:
    assert identity(before, "f00d") == identity(after, "f00d")
    refuse_difference("s", identity(before, "f00d"), identity(after, "f00d"))


@pytest.mark.parametrize(
    "more",
    [
        "trials: 99",
        "finalists: {top: 1, seeds: 9}",
        "slots: 7",
        "device: cpu",
        "storage: other.sqlite3",
        "description: other words",
        "sampler: random",
        "pruner: median",
        "objectives: [mean_auc]",
    ],
)
def test_budget_machine_and_words_may_change(more: str) -> None:
    accept(load(), load(more))


def test_the_order_of_arms_and_parameters_is_no_difference() -> None:
    lines = SPACE.splitlines(keepends=True)
    turned = "".join([lines[0], lines[2], lines[1], lines[3]])
    two = STUDY.replace("{mmoe: {space: x}}", "{mmoe: {space: x}, hinet: }")
    other = STUDY.replace("{mmoe: {space: x}}", "{hinet: , mmoe: {space: x}}")
    accept(load(study=two), load(study=other, space=turned))


WIDTHS = '{"choices": {"16": [16], "none": []}, "default": "none", "kind": "widths", "when": null}'
CHANGES = {
    "objective: logloss": ('objective: stored "mean_auc", now "logloss"',),
    "objectives: [mean_auc, latency_ms]": (
        'objectives: stored nothing, now ["mean_auc", "latency_ms"]',
    ),
    "seed: 3": ("seed: stored 0, now 3",),
    "sample: 5%": ('sample: stored nothing, now "5%"',),
    "epochs: 2": ("arms mmoe fixed train.epochs: stored 4.0, now 2.0",),
    "fixed: {train.patience: 9}": ("arms mmoe fixed train.patience: stored 3, now 9",),
    "fixed: {train.clip_norm: 1.5}": ("arms mmoe fixed train.clip_norm: stored nothing, now 1.5",),
    "fixed: {model.tower.widths: '16'}": (
        "arms mmoe fixed model.tower.widths: stored nothing, now [16]",
        f"arms mmoe model.tower.widths: stored {WIDTHS}, now nothing",
    ),
}


@pytest.mark.parametrize("more", CHANGES)
def test_a_change_of_the_study_is_reported_with_both_values(more: str) -> None:
    assert differences(load(), load(more)) == CHANGES[more]


def test_an_arm_that_was_dropped_and_one_that_is_new_are_a_line_each() -> None:
    other = STUDY.replace("{mmoe: {space: x}}", "{ple: , star: }")
    with pytest.raises(StudyConflict) as caught:
        refuse_difference("s", identity(load(), "f00d"), identity(load(study=other), "f00d"))
    assert caught.value.problems == (
        "study 's' exists with arm mmoe",
        "study 's' exists without arm ple",
        "study 's' exists without arm star",
    )


def test_a_change_of_a_range_is_reported_with_its_name() -> None:
    (line,) = differences(load(), load(space=SPACE.replace("1.0e-2", "5.0e-3")))
    assert line.startswith("arms mmoe train.learning_rate: stored {")
    before, after = line.split(", now ")
    assert '"high": 0.01' in before
    assert '"high": 0.005' in after


def test_a_change_of_the_largest_model_is_reported() -> None:
    assert differences(load(), load(space=SPACE + "max_parameters: 1000\n")) == (
        "arms mmoe max_parameters: stored null, now 1000",
    )


def test_other_data_are_reported() -> None:
    assert differences(load(), load(), ("f00d", "beef")) == ('data: stored "f00d", now "beef"',)


def test_another_model_under_the_name_of_an_arm_is_reported() -> None:
    other = STUDY.replace("{mmoe: {space: x}}", "{mmoe: {space: x, model: hinet}}")
    assert differences(load(), load(study=other)) == (
        'arms mmoe model: stored "mmoe", now "hinet"',
    )
