"""A model of another package runs, also in slots, only if the launch has allowed its package."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import hinet_search
from hinet_search.cli import cli
from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError
from tests.small import STUDY

MODELS_PAGE = Path(__file__).parents[2] / "docs" / "models.md"
COMMAND = [sys.executable, "-c", "from hinet_search.cli import main; main()"]
SMALL = STUDY.replace(
    "{shared_bottom: , mmoe: }", "{wide: {model: my_lab.models.wide}, mmoe: }"
).replace("trials: 3", "trials: 1\nreference: mmoe")
MARK = "\nimport os, pathlib\npathlib.Path(f'imported-by-{os.getpid()}').touch()\n"


def write_package(folder: Path, model: str = "my_lab.models.wide") -> Path:
    """A study and the package of the models page; its modules leave a file where they are imported. The study's path."""
    package = folder / "my_lab" / "models"
    package.mkdir(parents=True)
    (code,) = re.findall(r"```python\n(.*?)```", MODELS_PAGE.read_text(), re.DOTALL)
    (package / "wide.py").write_text(code + MARK)
    (package / "no_model.py").write_text("Config = dict\n")
    (folder / "my_lab" / "secret.py").write_text(MARK)
    (folder / "study.yaml").write_text(SMALL.replace("my_lab.models.wide", f'"{model}"'))
    return folder / "study.yaml"


def imported(folder: Path) -> int:
    """In how many processes a module of the package was imported."""
    return len(list(folder.glob("imported-by-*")))


def run(folder: Path, *arguments: str) -> str:
    """Run a command that must succeed; return its output."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    said = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout + said.stderr


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the study was launched with its package allowed."""
    folder = tmp_path_factory.mktemp("launched")
    write_package(folder)
    run(folder, "launch", "study.yaml", "--plugin", "my_lab.models")
    return folder


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which this process finds the package; what it imported is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    plugins.allow_only([])
    for name in [name for name in sys.modules if name.split(".")[0] == "my_lab"]:
        del sys.modules[name]


def test_the_documented_model_is_trained_in_every_slot_if_its_package_is_allowed(
    launched: Path,
) -> None:
    record = hinet_search.load("study", output=launched / ".hinet-search")
    assert [arm.trials[0].state for arm in record.arms] == ["complete", "complete"]
    assert imported(launched) == 3, "the coordinator and two slots"


def test_its_report_needs_no_code_of_the_package(launched: Path) -> None:
    before = imported(launched)
    assert "wrote reports/study.html" in run(launched, "report", "study.yaml")
    assert imported(launched) == before


def test_without_the_option_nothing_of_the_package_is_imported(lab: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        hinet_search.launch(str(write_package(lab)))
    (problem,) = caught.value.problems
    assert problem.startswith(
        f"{lab}/study.yaml:23:8: model 'my_lab.models.wide' is not known, must be one of adasparse,"
    )
    assert problem.endswith("or of a package that is allowed: --plugin my_lab.models")
    assert imported(lab) == 0
    assert not (lab / ".hinet-search").exists()


@pytest.mark.parametrize(
    ("model", "allowed"),
    [
        ("my_lab.secret", "my_lab.models"),
        ("my_lab.models_of_others.wide", "my_lab.models"),
        ("my_lab.models.wide", "my_lab.models.wid"),
        ("my_lab.models..secret", "my_lab.models"),
        ("my_lab.models.wide:Model", "my_lab.models"),
        ("os.path", "my_lab.models"),
    ],
)
def test_only_modules_inside_the_allowed_package_are_imported(
    lab: Path, model: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"model '{model}' is not known")):
        hinet_search.check(str(write_package(lab, model)), plugins=(allowed,))
    assert imported(lab) == 0


def test_a_study_without_the_option_is_not_helped_by_one_before_it(lab: Path) -> None:
    study = str(write_package(lab))
    hinet_search.check(study, plugins=("my_lab.models",))
    with pytest.raises(ConfigurationError, match="is not known"):
        hinet_search.check(study)


def test_a_module_without_a_model_is_reported_with_what_it_lacks(lab: Path) -> None:
    study = write_package(lab, "my_lab.models.no_model")
    with pytest.raises(
        ConfigurationError, match=r"no_model must have Config and Model, .*no_model\.py lacks Model"
    ):
        hinet_search.check(str(study), plugins=("my_lab.models",))


def test_a_missing_module_is_reported_with_the_remedy(lab: Path) -> None:
    study = write_package(lab, "my_lab.models.missing")
    with pytest.raises(
        ConfigurationError, match=r"missing cannot be imported: No module named(.|\n)*PYTHONPATH"
    ):
        hinet_search.check(str(study), plugins=("my_lab.models",))


@pytest.mark.parametrize(
    "name", ["", "../models", "my-lab", "my_lab.", "my_lab models", "my_lab/models"]
)
def test_what_is_allowed_must_be_a_dotted_name(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match="--plugin must be the dotted name of a package, got"
    ):
        plugins.allow_only([name])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no weights here')", "ValueError: no weights here (broken.py:1)"),
        ("def (", "SyntaxError: invalid syntax (broken.py:1)"),
        ("\nraise SystemExit(3)", "it ends the process, sys.exit(3) (broken.py:2)"),
    ],
)
def test_a_module_that_raises_while_it_is_imported_is_reported_and_ends_nothing(
    lab: Path, code: str, said: str
) -> None:
    study = write_package(lab, "my_lab.models.broken")
    (lab / "my_lab" / "models" / "broken.py").write_text(code)
    with pytest.raises(ConfigurationError) as caught:
        hinet_search.check(str(study), plugins=("my_lab.models",))
    (problem,) = caught.value.problems
    assert problem.endswith(f"plug-in my_lab.models.broken cannot be imported: {said}")


@pytest.mark.parametrize("without", ["self._modules.clear()", "self.requires_grad_(False)"])
def test_a_network_without_anything_to_train_is_reported(lab: Path, without: str) -> None:
    study = write_package(lab)
    wide = lab / "my_lab" / "models" / "wide.py"
    wide.write_text(
        f"{wide.read_text()}\n"
        "class Bare(Model):\n"
        "    def __init__(self, *given):\n"
        f"        super().__init__(*given)\n        {without}\n"
        "Model = Bare\n"
    )
    result = CliRunner().invoke(cli, ["check", str(study), "--plugin", "my_lab.models"])
    assert result.exit_code == 2
    said = "Model of model my_lab.models.wide must have parameters to train, got none"
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize("code", ["Config = 3\nModel = 4", "class Config: ...\nclass Model: ..."])
def test_a_config_that_is_no_class_of_pydantic_is_reported(lab: Path, code: str) -> None:
    study = write_package(lab, "my_lab.models.plain")
    (lab / "my_lab" / "models" / "plain.py").write_text(code)
    with pytest.raises(ConfigurationError, match=r"Config of model my_lab\.models\.plain must be"):
        hinet_search.check(str(study), plugins=("my_lab.models",))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no such layer')", "ValueError: no such layer"),
        ("import sys; sys.exit(0)", "it ends the process, sys.exit(0)"),
    ],
)
def test_a_model_that_raises_is_no_bug_of_ours_and_ends_no_command_silently(
    lab: Path, code: str, said: str
) -> None:
    study = write_package(lab)
    wide = lab / "my_lab" / "models" / "wide.py"
    wide.write_text(
        wide.read_text().replace("        logits_BT", f"        {code}\n        logits_BT")
    )
    result = CliRunner().invoke(cli, ["check", str(study), "--plugin", "my_lab.models"])
    assert result.exit_code == 1
    assert f"error: plug-in my_lab.models.wide failed: {said} (wide.py:" in result.output
    assert "bug of hinet-search" not in result.output
