"""Commands: the command lines that write a report again and that write what a study can ship."""

import ast
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord

PLACES = ("--output", "--storage")  # options of every command that say where a study is stored
SEEDS = "--finalist-seeds"
# Options of a launch that change its study.
SAME_STUDY = ("--size", "--variant", "--set", "--plugin")

# A line of the size `full` below the key `sizes`.
_FULL = re.compile(r"^sizes:.*\n(?:[ #].*\n|\n)*?  full:", re.MULTILINE)


def launch_command(record: StudyRecord) -> str:
    """Return the command that launched the study, and resumes it."""
    return record.command or shlex.join(["hinet-search", "launch", record.name])


def has_full_size(record: StudyRecord) -> bool:
    """Whether the study file has a size `full`, and the study is of another one."""
    return not record.name.endswith("-full") and bool(_FULL.search(record.study_yaml))


def decisive_command(record: StudyRecord) -> str:
    """Return the launch with enough seeds to decide: of the size `full`, or of this study."""
    words = _launch_words(record.command) or ["hinet-search", "launch", record.name]
    if not has_full_size(record):
        if SEEDS in words:
            place = words.index(SEEDS)
            words = [*words[:place], *words[place + 2 :]]
        return shlex.join([*words, SEEDS, str(SEEDS_FOR_A_CLAIM)])
    file = _study_of(words, record.name)
    places = _options(words, ("--variant", "--plugin", *PLACES))
    return shlex.join(["hinet-search", "launch", file, "--size", "full", *places])


def trains_on_all(record: StudyRecord) -> bool:
    """Whether the study trains on all rows what another one chose on a sample."""
    return _launch_words(record.command)[1:2] == ["train"]


def report_command(record: StudyRecord) -> str:
    """Return the command that writes this page again, with the launch's database and folder."""
    launched = _launch_words(record.command)
    return shlex.join(["hinet-search", "report", record.name, *_options(launched, PLACES)])


def export_command(record: StudyRecord, name: str, at: str = "") -> str:
    """Return the command that writes an arm, a student or the ensemble, or the best `at` a limit.

    It has the study file and options of the launch. Of a study on a sample, it trains on all rows
    first; of such a training it is the same command.
    """
    words = _launch_words(record.command)
    if trains_on_all(record):
        return record.command
    file = _study_of(words, record.name)
    what = ["--at", at, "-o", f"front-{record.name}"] if at else ["-o", f"{name}-{record.name}"]
    verb = "train" if record.data.sample is not None and not at else "export"
    command = ["hinet-search", verb, f"{file}/{name}".rstrip("/"), *what]
    return shlex.join([*command, *_options(words, (*SAME_STUDY, *PLACES))])


def _launch_words(command: str) -> list[str]:
    """Return a launch or train as words of the command line, also if it was a call in Python."""
    if command.startswith(("hinet-search launch ", "hinet-search train ")):
        return shlex.split(command)
    if not command.startswith(("hinet_search.launch(", "hinet_search.train(")):
        return []
    try:
        call = ast.parse(command, mode="eval").body
        assert isinstance(call, ast.Call), "the command begins as a call"
        assert isinstance(call.func, ast.Attribute), "the name of a module comes first"
        arguments = [ast.literal_eval(argument) for argument in call.args]
        options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):  # an option that cannot be written as text
        return []
    return ["hinet-search", call.func.attr, *arguments, *_words_of(options)]


def _words_of(options: Mapping[str | None, Any]) -> Iterator[str]:
    """Yield the options of a call that decide which study it is, as on the command line."""
    for option in (*PLACES, "--size", "--variant"):
        value = options.get(option.removeprefix("--"))
        if value is not None:
            yield from (option, str(value))
    for plugin in options.get("plugins", ()):
        yield from ("--plugin", plugin)
    for name, value in options.get("settings", {}).items():
        yield from ("--set", f"{name}={json.dumps(value)}")


def _study_of(words: Sequence[str], name: str) -> str:
    """Return the study that a launch names: the word of its name, else its first argument.

    The name of the study may end in a size.
    """
    for before, word in pairwise(words[1:]):
        stem = word.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")
        is_value = before in (*PLACES, *SAME_STUDY) or word.startswith("-")
        if not is_value and (name == stem or name.startswith(f"{stem}-")):
            return word
    first = [word for word in words[2:3] if not word.startswith("-")]
    return first[0] if first else name


def _options(words: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """Yield the options that occur among the words of a command, with their values."""
    for word, after in pairwise([*words, ""]):
        if word in options:
            yield from (word, after)
        elif word.partition("=")[0] in options:
            yield word
