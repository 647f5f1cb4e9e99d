"""Variants of a study: the same study on other data or with other settings, each with a name of its own."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_study
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import ResolvedStudy, load_study
from hinet_search.study.overrides import variants_of_study
from hinet_search.study.yaml_file import Override
from tests.study_texts import DATA

ARMS = """\
arms: {mmoe: , shared_bottom: }
trials: 3
variants:
  as_it_is:
  apart: {data.source.preference_correlation: 0.0, train.batch_size: 64, trials: 5}
"""
TEXT = DATA + ARMS
SIZES = "sizes: {standard: {}, quick: {trials: 1}}\n"


def load(variant: str | None = None, text: str = TEXT, size: str | None = None) -> ResolvedStudy:
    Path("shop.yaml").write_text(text, encoding="utf-8")
    return load_study("shop.yaml", size, {}, variant)


def refusal(text: str, variant: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        try_study(load(variant, text))
    return str(caught.value)


def test_a_variant_changes_data_settings_and_budget_and_nothing_else() -> None:
    before, apart = load("as_it_is"), load("apart")
    assert before.spec.data.source.options == {}
    assert apart.spec.data.source.options == {"preference_correlation": 0.0}
    assert [arm.space.fixed["train.batch_size"] for arm in apart.arms] == [64, 64]
    assert all("train.batch_size" in arm.space.parameters for arm in before.arms)
    assert (before.spec.trials, apart.spec.trials) == (3, 5)


def test_the_first_variant_is_the_default() -> None:
    assert load().name == load("as_it_is").name == "shop-as_it_is"


def test_a_variant_at_a_size_has_both_in_its_name_and_the_budget_of_the_size_goes_first() -> None:
    whole, quick = load("apart", TEXT + SIZES), load("apart", TEXT + SIZES, "quick")
    assert (whole.name, whole.spec.trials) == ("shop-apart-standard", 5)
    assert (quick.name, quick.spec.trials) == ("shop-apart-quick", 1)
    assert all(arm.space.fixed["train.batch_size"] == 64 for arm in quick.arms)


@pytest.mark.parametrize("size", ["quick", None])
def test_an_option_goes_before_a_variant_and_its_size(size: str | None) -> None:
    load("apart", TEXT + SIZES * bool(size), size)
    given = {"trials": Override(7, "--trials")}
    assert load_study("shop.yaml", size, given, "apart").spec.trials == 7


def test_a_variant_can_change_a_data_definition_of_its_own_file() -> None:
    data, rest = TEXT.split("arms:")
    lines = [line.removeprefix("  ") for line in data.splitlines()[1:]]
    Path("rows.yaml").write_text("\n".join(lines), encoding="utf-8")
    apart = load("apart", f"data: rows.yaml\narms:{rest}")
    assert apart.spec.data.source.options == {"preference_correlation": 0.0}


@pytest.mark.parametrize(
    "written",
    [
        "{<<: *whole, finalists.seeds: 4}",
        "{finalists.seeds: 4, finalists: {top: 3, seeds: 2}}",
        "{finalists: {top: 3, seeds: 2}, finalists.seeds: 4}",
    ],
)
def test_a_name_inside_another_is_set_after_it_in_any_order(written: str) -> None:
    variants = f"  whole: &whole {{finalists: {{top: 3, seeds: 2}}}}\n  part: {written}\n"
    finalists = load("part", TEXT + variants).spec.finalists
    assert (finalists.top, finalists.seeds) == (3, 4)


def test_variants_are_listed_in_their_order() -> None:
    load()
    assert variants_of_study("shop.yaml") == ("as_it_is", "apart")
    Path("shop.yaml").write_text(TEXT.split("variants:", maxsplit=1)[0], encoding="utf-8")
    assert variants_of_study("shop.yaml") == ()


def test_the_stored_text_of_a_study_says_which_variant_it_is() -> None:
    assert LaunchOptions(variant="apart").recorded("a: 1") == "a: 1\n# --variant apart\n"
    assert LaunchOptions().recorded("a: 1") == "a: 1"


def test_a_variant_needs_the_file_of_its_study() -> None:
    with pytest.raises(ConfigurationError, match="no study"):
        LaunchOptions(variant="apart").stored_name("ghost")


def test_an_unknown_variant_is_refused_with_the_nearest() -> None:
    load()
    with pytest.raises(ConfigurationError) as caught:
        load_study("shop.yaml", variant="aprt")
    assert str(caught.value) == (
        "shop.yaml:9:1: 'aprt' is not a variant of this study, known: as_it_is, apart; "
        "did you mean 'apart'?"
    )


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (
            "variants: {a: {data.split.vaild: 0.1}}",
            "shop.yaml:9:16: unknown key 'vaild' in 'data.split'",
        ),
        ("variants: {a: {train.batchsize: 64}}", "shop.yaml:9:16: 'train.batchsize'"),
        ("variants: {a: {trials: none}}", "shop.yaml:9:16: trials: must be an integer, got 'none'"),
        ("variants: {a: 3}", "shop.yaml:9:12: variants.a: must be a mapping of keys, got 3"),
        ("variants: [a]", "shop.yaml:9:1: variants: must be a mapping of keys, got a list"),
        ("variants: {a b: {}}", "shop.yaml:9:12: a study's name must be"),
    ],
)
def test_a_wrong_variant_is_refused_at_its_place(wrong: str, problem: str) -> None:
    text = f"{TEXT.split('variants:', maxsplit=1)[0]}{wrong}\n"
    assert problem in refusal(text)
