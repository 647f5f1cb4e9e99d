"""A study with variants: launch and check take all of them in turn, or the one that is named."""

import re
import shlex
from pathlib import Path

import pytest

import hinet_search
from hinet_search.common.errors import Interrupted
from tests.cli.conftest import Run
from tests.small import STUDY, write_study

VARIANTS = "variants: {near: {}, far: {data.source.preference_correlation: 0.0}}\n"
FEW = ("--set", "arms={mmoe: }", "--trials", "1", "--finalist-seeds", "1")


@pytest.fixture(autouse=True)
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path, STUDY.replace("rows: 4000", "rows: 1500") + VARIANTS, "shop")


def test_a_launch_runs_every_variant_and_stores_each_by_its_own_name_and_command(run: Run) -> None:
    said = run("launch", "shop.yaml", *FEW, "--set", "reference=mmoe")
    assert said.code == 0, said.err
    assert said.err.index("variant near (1 of 2)") < said.err.index("variant far (2 of 2)")
    for variant in ("near", "far"):
        stored = hinet_search.load("shop.yaml", variant=variant)
        assert (stored.name, stored.state) == (f"shop-{variant}", "done")
        assert shlex.split(stored.command)[-2:] == ["--variant", variant]
        assert re.search(rf" -o mmoe-shop-{variant} .*--variant {variant}\n", said.err)
    assert "shop-near.html" in run("report", "shop.yaml").out, "the first"
    assert "shop-far.html" in run("report", "shop.yaml", "--variant", "far").out
    exported = run("export", "shop.yaml/mmoe", "-o", "folder", "--variant", "far", *FEW[:2])
    assert "shop-far" in exported.out + exported.err


def test_one_variant_is_launched_alone_and_its_command_is_stored_as_typed(run: Run) -> None:
    said = run("launch", "shop.yaml", *FEW, "--set", "reference=mmoe", "--variant=far")
    assert said.code == 0, said.err
    assert "variant " not in said.err.split("done")[0].replace("--variant", "")
    assert hinet_search.load("shop-far").command.count("--variant") == 1
    assert run("status").out.count("shop-") == 2, "the line of the study and that of its verdict"


def test_a_check_plans_every_variant_and_names_the_launch_of_each(run: Run) -> None:
    said = run("check", "shop.yaml", "--trials", "1")
    assert said.out.count("one of 2 variants") == 2
    for variant in ("near", "far"):
        assert f"hinet-search launch shop.yaml --trials 1 --variant {variant}" in said.err


def test_a_variant_that_fails_is_told_at_once_and_the_others_are_planned(
    run: Run, tmp_path: Path
) -> None:
    broken = "variants: {near: {data.source.rows: many}, far: {}}\n"
    write_study(tmp_path, STUDY.replace("rows: 4000", "rows: 1500") + broken, "shop")
    said = run("check", "shop.yaml", "--trials", "1")
    assert said.code == 2
    assert said.out.count("one of 2 variants") == 1
    error, planned, end = (
        said.err.index(text)
        for text in ("must be an integer", "variant far (2 of 2)", "failed: near (1 of 2 ")
    )
    assert error < planned < end


def test_an_interruption_ends_all_variants(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise Interrupted("stopped", signal_number=2)

    monkeypatch.setattr("hinet_search.api.ready", interrupted)
    said = run("launch", "shop.yaml", *FEW)
    assert said.code == 130
    assert "variant far" not in said.err
