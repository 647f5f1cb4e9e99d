"""A command prints data on stdout and the rest on stderr, with or without colour, or one JSON document on request."""

import json
import re
from pathlib import Path

import click
import pytest

from hinet_search.cli.output import Styled, echo
from hinet_search.common.terminal import json_printable, printable
from tests.cli.conftest import Run
from tests.small import STUDY, write_study

RED = "\x1b[31m"
HOSTILE = "a\x1b]0;owned\x07\x1b[8m\x9b2J\r\x7f\u202eb\u2066\udcff"
ESCAPED = r"a\x1b]0;owned\x07\x1b[8m\x9b2J\r\x7f\u202eb\u2066\udcff"


def test_quiet_leaves_the_result_and_nothing_else(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    said = run("check", "small.yaml", "-q")
    assert said.err == ""
    assert said.out.startswith("ok  data")


def test_a_terminal_of_80_columns_gets_whole_words_and_a_command_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    command = f"hinet-search launch {'shop ' * 20}"
    echo(Styled("ok"), f"  take    {'because ' * 20}\nthe end")
    echo(Styled(command))
    *reason, end, whole = capsys.readouterr().out.splitlines()
    assert " ".join(reason).split() == ["ok", "take", *["because"] * 20]
    assert max(len(line) for line in reason) <= 80
    assert {line[:12] for line in reason[1:]} == {" " * 12}
    assert (end, whole) == ("the end", command)


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_off_where_that_is_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, no_color: str, *, coloured: bool
) -> None:
    monkeypatch.setattr("click._compat.isatty", lambda _stream: True)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert (RED in run("check", "quikstart").err) is coloured


def test_every_value_is_shown_with_its_origin(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(
        tmp_path,
        STUDY
        + "fixed: {train.batch_size: 512}\nsizes: {tiny: {trials: 1, finalists: {top: 1, seeds: 1}}}\n",
    )
    monkeypatch.setenv("HINET_SEARCH_CACHE", "cached")
    said = run("check", "small.yaml", "-v", "--slots", "1", "--set", "train.clip_norm=1.0")
    told = dict(re.findall(r"^(\S+) +\S+ +(\S.*)$", said.out.split("\n\n")[-1], re.MULTILINE))
    assert told["trials"] == "small.yaml:32:16"
    assert told["slots"] == "--slots"
    assert told["train.clip_norm"] == "--set train.clip_norm"
    assert told["storage"] == "default"
    assert told["cache"] == "HINET_SEARCH_CACHE"
    assert (tmp_path / "cached").is_dir()


def document(run: Run, *words: str, code: int = 0) -> dict[str, object]:
    said = run(*words, "--json")
    assert said.code == code, said.err
    content: dict[str, object] = json.loads(said.out)
    assert content["schema"] == 1
    return content


def test_check_gives_its_plan_as_a_document(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    plan = document(run, "check", "small.yaml")
    assert (plan["kind"], plan["study"], plan["trials"], plan["finalist_runs"], plan["stored"]) == (
        "check",
        "small",
        6,
        8,
        None,
    )
    inputs = plan["data"]["inputs"]  # type: ignore[index]
    assert inputs["total"] == inputs["categorical"] + inputs["numeric"] > 0
    assert {
        "name",
        "model",
        "trials",
        "finalists",
        "searched",
        "parameters",
        "seconds_per_trial",
        "seconds_per_finalist",
        "memory_bytes",
        "checkpoint_bytes",
    } == set(plan["arms"][0])  # type: ignore[index]


def test_problems_are_a_document_with_their_places(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path, STUDY.replace("trials: 3", "trails: 3"))
    refused = document(run, "check", "small.yaml", code=2)
    assert refused["code"] == 2
    assert refused["problems"] == [
        {
            "file": "small.yaml",
            "line": 24,
            "column": 1,
            "text": "unknown key 'trails'; did you mean 'trials'?",
        }
    ]


def test_the_machine_is_examined_as_a_document(run: Run) -> None:
    examined = document(run, "doctor")
    assert {"versions", "disk", "database"} <= {finding["name"] for finding in examined["findings"]}  # type: ignore[attr-defined]
    assert examined["can_run"] is True


def test_a_launch_gives_a_document_a_line_and_the_status_one(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    said = run("launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert {(line["schema"], line["kind"]) for line in lines} == {(1, "event")}
    events = [line["event"] for line in lines]
    assert events[0] == "plan"
    assert {"best", "finalist", "test"} <= set(events)
    assert events[-1] == "done"
    assert (tmp_path / lines[-1]["report"]).exists()
    (study,) = document(run, "status")["studies"]  # type: ignore[misc]
    assert (study["name"], study["state"], study["done"], study["budget"]) == (
        "small",
        "done",
        2,
        2,
    )
    assert (
        "resumes with 2 of 2 trials"
        in run("launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1").err
    )
    misspelt = run("report", "smal")
    assert misspelt.code == 2
    assert "did you mean 'small'?" in misspelt.err
    assert misspelt.err.splitlines()[-1] == "Next: hinet-search status"


def test_a_study_that_hides_a_shipped_one_is_noted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    write_study(tmp_path / "studies", name="quickstart")
    assert (
        "quickstart is studies/quickstart.yaml, which hides the shipped"
        in run("check", "quickstart").err
    )


def test_a_space_that_hides_a_shipped_one_is_noted_once(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "mmoe.yaml").write_text(
        "include: [training]\nfixed: {model.num_experts: 3}\n"
    )
    hidden = "space mmoe is spaces/mmoe.yaml, which hides the shipped mmoe.yaml"
    said = run("check", "small.yaml").err
    assert said.count(hidden) == 1
    assert said.count("which hides") == 1


def test_a_setting_is_recorded_and_part_of_the_identity(run: Run, tmp_path: Path) -> None:
    import hinet_search

    write_study(tmp_path)
    words = ("launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1")
    assert run(*words, "--set", "train.batch_size=512").code == 0
    record = hinet_search.load("small")
    assert record.study_yaml.endswith("# --set train.batch_size=512\n")
    assert "--set train.batch_size=512" in record.command
    assert all(arm.fixed["train.batch_size"] == 512 for arm in record.arms)
    said = run(*words)
    assert said.code == 5
    assert "train.batch_size" in said.err


def test_the_page_of_the_command_line_has_every_key_of_every_document(
    run: Run, tmp_path: Path
) -> None:
    from hinet_search.study import find_file

    write_study(tmp_path)
    page = (find_file.shipped_folder("studies").parent / "docs" / "command_line.md").read_text()
    told = {
        kind: set(re.findall(r"`(\w+)`", keys))
        for kind, keys in re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    }
    commands = {
        "check": ("check", "small.yaml"),
        "data": ("data", "describe", "small.yaml"),
        "doctor": ("doctor",),
    }
    for kind, words in commands.items():
        assert set(document(run, *words)) == {"schema", "kind", *told[kind]}
    assert set(document(run, "check", "smal.yaml", code=2)) == {"schema", "kind", *told["error"]}


def test_a_quiet_error_says_what_is_wrong_and_not_what_is_next(run: Run) -> None:
    loud, quiet = run("check", "quikstart"), run("check", "quikstart", "-q")
    assert loud.err == f"{quiet.err}Next: hinet-search check quickstart\n"


def test_what_steers_a_terminal_is_written_out() -> None:
    assert printable(HOSTILE) == ESCAPED


@pytest.mark.parametrize("text", ["größe\n\tein 模型", "▁▂ ok ✓", "می\u200cخواهم"])
def test_words_of_any_language_are_left_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_a_document_of_such_text_is_printable_and_means_the_same() -> None:
    written = json_printable(json.dumps({"a": HOSTILE}, ensure_ascii=False))
    assert printable(written) == written
    assert json.loads(written) == {"a": HOSTILE}


def test_our_own_colours_are_no_escapes_of_data(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with click.Context(click.Command("x"), color=True):
        monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_given: False)
        echo(Styled(HOSTILE, "red"), HOSTILE)
    assert capfd.readouterr().out == f"\x1b[31m{ESCAPED}\x1b[0m{ESCAPED}\n"


def test_a_study_with_escapes_in_it_reaches_no_terminal(run: Run, tmp_path: Path) -> None:
    hostile = "\u202e\x9b\u2066"
    write_study(tmp_path, STUDY.replace("trials: 3", f"'tra{hostile}ils': 3"))
    for words in (
        ("check", "small.yaml"),
        ("check", "small.yaml", "--json"),
        ("check", f"\x1b[2J{hostile}.yaml"),
    ):
        said = run(*words)
        assert said.code == 2
        assert printable(said.out + said.err) == said.out + said.err


def test_a_wrong_option_with_escapes_in_it_reaches_no_terminal(run: Run) -> None:
    said = run("check", "quickstart", "--trials", "\x1b[2J")
    assert r"got '\x1b[2J'" in said.err
