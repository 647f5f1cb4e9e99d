"""Verdict card: numbers and words about the arm in focus against every baseline and the rival of its size."""

import re
from dataclasses import replace

import pytest

from hinet_search.compare import contrasts, resolution
from hinet_search.records import StudyRecord
from hinet_search.report import numbers
from hinet_search.report.sections import verdict
from tests.report.nine_arms import NAMES, SHAPE, few_rows, nine_arms
from tests.report.studies import Shape, study

NINE = few_rows()


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def lead_of(record: StudyRecord) -> str:
    return plain(verdict.build(record).lead)


def of_arms(*names: str) -> StudyRecord:
    return nine_arms(replace(SHAPE, arms=names, trials=6))


def test_the_picture_shows_the_contrasts() -> None:
    body = verdict.build(NINE).body
    drawn = re.findall(r'class="iv-text">([^<]*)</td>', body)
    found = sorted((one.difference for one in contrasts(NINE) if one.difference), key=lambda one: one.mean)
    assert drawn == [numbers.interval(one.low, one.high) for one in found]


def test_the_same_size_rival_is_spoken_of_in_the_second_sentence() -> None:
    sized = next(one for one in contrasts(NINE) if one.arm == "flat_moe")
    assert sized.difference is not None
    gain = numbers.gain(sized.difference.mean)
    assert f" Against Flat MoE, which has the size of HiNet, the gain is {gain} (interval after Holm " in lead_of(NINE)


def test_a_strongest_rival_of_the_same_size_is_not_counted_twice() -> None:
    words = lead_of(of_arms("shared_bottom", "flat_moe", "hinet"))
    assert "over Flat MoE, the strongest other arm" in words
    assert "Flat MoE has the size of HiNet." in words


def test_a_study_without_a_rival_of_that_size_says_how_to_add_one() -> None:
    words = lead_of(of_arms("shared_bottom", "hinet"))
    assert "No arm has the size of HiNet; the arm flat_moe: {size_of: hinet} would be one." in words


def test_nodes_of_trees_are_no_size() -> None:
    record = of_arms("trees", "hinet")
    hinet = record.arms[1]
    dense = hinet.finalists[1].runs[0].cost.dense_parameters
    trees = record.arms[0]
    finalists = tuple(
        replace(one, runs=tuple(replace(run, cost=replace(run.cost, dense_parameters=dense)) for run in one.runs))
        for one in trees.finalists
    )
    assert "No arm has the size of HiNet" in lead_of(replace(record, arms=(replace(trees, finalists=finalists), hinet)))


@pytest.mark.parametrize(
    "record", [NINE, of_arms("ple", "hinet"), study(Shape(seeds=1))], ids=["nine", "two", "1 seed"]
)
def test_it_is_said_whether_the_seeds_show_a_thousandth(record: StudyRecord) -> None:
    rival = next(one for one in contrasts(record) if one.arm == "ple")
    assert lead_of(record).endswith(resolution(rival))
    assert ".001" in resolution(rival)


def test_the_legend_names_split_seeds_users_and_correction() -> None:
    legend = plain(verdict.build(NINE).body.split("forest")[1].split('class="note"')[1])
    assert "in macro AUC on test (time: valid from 2026-11-01" in legend
    assert "seeds and users (Welch&#39;s t; Holm over 8 baselines, 95 % for all together)" in legend


def test_one_baseline_needs_no_correction() -> None:
    record = of_arms("ple", "hinet")
    words = lead_of(record) + plain(verdict.build(record).body)
    assert "(95 % interval +" in words
    assert "Welch&#39;s t)." in words
    assert "Holm over" not in words


def test_without_resamplings_it_is_said_that_users_are_not_counted() -> None:
    body = verdict.build(study(Shape())).body
    assert "interval from the spread of seeds; users are not counted (Welch" in body
    assert body.count("<small>not known</small>") == 6


def test_trees_as_the_strongest_rival_have_no_price_in_flops() -> None:
    body = verdict.build(of_arms("trees", "hinet")).body
    assert "<dt>FLOPs per row against Trees</dt><dd>–<small>Trees is no torch model and has none</small>" in body


def test_an_arm_that_gains_in_no_cell_is_not_said_to_lose_in_none() -> None:
    record = nine_arms(replace(SHAPE, arms=("single", "ple", "hinet"), trials=6, gap=-1.0))
    body = plain(verdict.build(record).body)
    assert "HiNet against Single: smallest cell gain −" in body
    assert "no cell gains." in body


def test_all_arms_of_the_paper_are_named_as_it_writes_them() -> None:
    body = verdict.build(NINE).body
    written = {"Single", "Shared Bottom", "MMoE", "PLE", "HMoE", "STAR", "Trees", "Flat MoE"}
    assert set(re.findall(r'<th scope="row">([\w ]+?) ?(?:<|$)', body)) == written
    assert len(written) == len(NAMES) - 1
