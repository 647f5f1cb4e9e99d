"""The image of the Dockerfile: its contents, its torch, its user, and its health check."""

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest

from hinet_search.common.plugins import names

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Instruction:
    """An instruction (`COPY`) and its arguments."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What it copies and where to, without its flags."""
        return [word for word in self.rest.split() if not word.startswith("--")]


def instructions(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile, with continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in whole]


def stages() -> list[list[Instruction]]:
    """The instructions of every stage, each beginning with its FROM."""
    found: list[list[Instruction]] = []
    for instruction in instructions(TEXT):
        if instruction.name == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def final(name: str) -> list[Instruction]:
    """The instructions of that name in the last stage, which the image is made of."""
    return [instruction for instruction in stages()[-1] if instruction.name == name]


def is_sent(path: str, ignore: str) -> bool:
    """Return whether docker build gets a file: the last line of .dockerignore that matches it or a parent folder decides."""
    above = [path, *(str(folder) for folder in PurePosixPath(path).parents)]
    sent = True
    for line in ignore.splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        anywhere = line.removeprefix("!").startswith("**/")
        means = [PurePosixPath(parent).name if anywhere else parent for parent in above]
        if (
            line
            and not line.startswith("#")
            and any(parent != "." and fnmatchcase(parent, pattern) for parent in means)
        ):
            sent = line.startswith("!")
    return sent


@pytest.fixture(scope="module")
def sent() -> list[str]:
    """Files of the repository that docker build gets."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if is_sent(path, IGNORE)]


def sources() -> list[str]:
    """What is copied from the folder of the build."""
    copies = [
        instruction
        for instruction in instructions(TEXT)
        if instruction.name == "COPY" and "--from=" not in instruction.rest
    ]
    return [source for copy in copies for source in copy.words[:-1]]


def test_the_lines_of_dockerignore_are_read_as_docker_reads_them() -> None:
    ignore = "# comment\n*\n!kept\n!one.txt\n**/__pycache__\n"
    assert is_sent("kept/deep/a.py", ignore)
    assert is_sent("one.txt", ignore)
    assert not is_sent("tests/a.py", ignore)
    assert not is_sent("kept/deep/__pycache__/a.pyc", ignore)


def test_the_image_does_not_run_as_root() -> None:
    users = [user.rest for user in final("USER")]
    assert users
    assert users[-1].isdigit(), "a number: Kubernetes cannot tell from a name that it is not root"
    assert int(users[-1]) > 0


def test_no_test_and_no_result_is_sent_to_the_build(sent: list[str]) -> None:
    package = {path.split("/")[0] for path in sent}
    assert package == {
        "hinet_search",
        "spaces",
        "studies",
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
    }


def test_everything_that_is_copied_is_sent(sent: list[str]) -> None:
    missing = [
        source
        for source in sources()
        if not any(path == source or path.startswith(f"{source}/") for path in sent)
    ]
    assert missing == []


def test_everything_that_the_wheel_is_built_from_is_copied() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = PROJECT["project"]
    needed = [
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    ]
    assert [source for source in needed if source not in sources()] == []


def test_the_image_holds_the_installed_packages_and_no_sources() -> None:
    (copy,) = final("COPY")
    assert copy.rest == "--from=build /opt/hinet-search /opt/hinet-search"


def test_torch_is_the_one_without_cuda_unless_the_builder_asks_for_another() -> None:
    assert Instruction("ARG", "TORCH_BACKEND=cpu") in instructions(TEXT)
    (install,) = [
        instruction.rest
        for instruction in instructions(TEXT)
        if instruction.rest.startswith("uv pip install")
    ]
    assert '${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"}' in install
    assert "--constraint constraints.txt" in install, "the versions that were run"


def test_the_project_is_tested_on_the_python_of_the_image() -> None:
    images = {
        instruction.rest.split()[0]
        for instruction in instructions(TEXT)
        if instruction.name == "FROM"
    }
    assert images == {"python:3.11-slim"}
    assert "Python 3.11" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[0]


def test_its_health_is_whether_a_study_could_run() -> None:
    (check,) = final("HEALTHCHECK")
    program, command = json.loads(check.rest.partition("CMD ")[2])
    assert (program, command) == ("hinet-search", "doctor")
    assert command in names("hinet_search.cli.commands")
    assert program in PROJECT["project"]["scripts"]


def test_it_names_no_address() -> None:
    assert "://" not in TEXT
