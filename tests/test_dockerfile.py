"""The image of the Dockerfile: its contents, its torch, its user, and its health check."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

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


def sources() -> list[str]:
    """What is copied from the folder of the build."""
    copies = [
        instruction
        for instruction in instructions(TEXT)
        if instruction.name == "COPY" and "--from=" not in instruction.rest
    ]
    return [source for copy in copies for source in copy.words[:-1]]


def test_the_build_gets_what_is_copied_and_nothing_else() -> None:
    ignored = [line for line in IGNORE.splitlines() if line and not line.startswith(("#", "!"))]
    assert ignored == ["*", "**/__pycache__"]
    kept = {line.removeprefix("!") for line in IGNORE.splitlines() if line.startswith("!")}
    assert kept == set(sources())


def test_the_image_does_not_run_as_root() -> None:
    users = [user.rest for user in final("USER")]
    assert users
    assert users[-1].isdigit(), "a number: Kubernetes cannot tell from a name that it is not root"
    assert int(users[-1]) > 0


def test_everything_that_the_wheel_is_built_from_is_copied() -> None:
    build = PROJECT["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    project = PROJECT["project"]
    needed = [
        "pyproject.toml",
        "constraints.txt",
        build["hooks"]["custom"]["path"],
        project["readme"],
        *project["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    ]
    assert [source for source in needed if source not in sources()] == []


def test_torch_is_the_one_without_cuda_unless_the_builder_asks_for_another() -> None:
    assert Instruction("ARG", "TORCH_BACKEND=cpu") in instructions(TEXT)
    (install,) = [
        instruction.rest
        for instruction in instructions(TEXT)
        if instruction.rest.startswith("uv pip install")
    ]
    assert '${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"}' in install
    assert "--constraint constraints.txt" in install, "the versions that were run"


def test_its_health_is_whether_a_study_could_run() -> None:
    (check,) = final("HEALTHCHECK")
    program, command = json.loads(check.rest.partition("CMD ")[2])
    assert (program, command) == ("hinet-search", "doctor")
    assert command in names("hinet_search.cli.commands")
    assert program in PROJECT["project"]["scripts"]
