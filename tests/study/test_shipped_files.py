"""Spaces and studies ship inside the wheel and are found by name, as a path, or in the current folder."""

import tomllib
from pathlib import Path

import pytest

import hinet_search
from hinet_search.common.errors import ConfigurationError
from hinet_search.study import find_file
from hinet_search.study.find_file import find, known_names, shipped_folder
from hinet_search.study.load_study import load_study
from hinet_search.study.overrides import variants_of_study
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import movable

ROOT = Path(hinet_search.__file__).parent.parent
FILES = [
    path.relative_to(shipped_folder("studies"))
    for path in shipped_folder("studies").rglob("*.yaml")
]
STUDIES = sorted(str(path.with_suffix("")) for path in FILES if path.parts[0] != "data")


def write(path: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("a: 1\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("kind", ["studies", "spaces"])
def test_the_wheel_takes_each_folder_to_where_it_is_looked_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]
    assert list((ROOT / kind).glob("*.yaml"))
    inside = tmp_path / wheel["force-include"][kind]
    inside.mkdir(parents=True)
    monkeypatch.setattr(find_file, "_PACKAGE", tmp_path / "hinet_search")
    assert shipped_folder(kind) == inside


@pytest.mark.parametrize("kind", ["studies", "spaces"])
def test_a_checkout_ships_its_own_folders(kind: str) -> None:
    assert shipped_folder(kind) == ROOT / kind


@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_loads_from_anywhere(folder: Path, name: str) -> None:
    for variant in variants_of_study(name) or (None,):
        study = load_study(name, variant=variant)
        alone = study.name.removesuffix("-standard").removesuffix(f"-{variant}")
        assert alone.replace("-", "_") == name.replace("/", "_")
        assert {arm.name for arm in study.arms} == set(study.spec.arms)


@pytest.mark.parametrize("name", known_names("spaces"))
def test_no_default_of_a_shipped_space_is_at_an_end_that_cannot_move(name: str) -> None:
    ranges = load_space(name).ranges()
    of_a_model = (shipped_folder("spaces").parent / f"hinet_search/models/{name}.py").exists()
    for searched in movable(name if of_a_model else "hinet", ranges):
        assert searched.default not in {searched.high} - {None} or "high" in searched.ends
        # No count, and no temperature, is below 1.
        assert searched.default not in {searched.low} - {1, None} or "low" in searched.ends


def test_trees_are_not_advised_to_take_more_ids_than_they_can() -> None:
    ends = {each.name: each.ends for each in movable("trees", load_space("trees").ranges())}
    assert (ends["model.max_ids"], ends["model.l2"]) == (("low",), ("low", "high"))


def test_a_path_means_itself(folder: Path) -> None:
    write("studies/mine.yaml")
    assert find("studies", str(write("elsewhere/mine.yaml"))) == Path("elsewhere/mine.yaml")


def test_a_name_means_the_file_beside_the_one_that_names_it_first(folder: Path) -> None:
    write("spaces/hinet.yaml")
    write("mine/hinet.yaml")
    assert find("spaces", "hinet", Path("mine")) == Path("mine/hinet.yaml")


def test_a_name_means_the_file_in_the_current_folder_before_the_shipped_one(folder: Path) -> None:
    assert find("spaces", "hinet") == ROOT / "spaces/hinet.yaml"
    write("spaces/hinet.yaml")
    assert find("spaces", "hinet") == Path("spaces/hinet.yaml")


def test_a_name_that_nothing_has_gets_places_the_nearest_name_and_all_names(folder: Path) -> None:
    write("studies/mine.yaml")
    with pytest.raises(ConfigurationError) as caught:
        find("studies", "quikstart")
    looked_at = f"studies/quikstart.yaml, {ROOT}/studies/quikstart.yaml"
    assert caught.value.problems == (
        f"there is no study 'quikstart': looked at {looked_at}; did you mean 'quickstart'?",
    )
    assert caught.value.remedy == f"known: {', '.join(sorted([*STUDIES, 'mine']))}"


OTHER = "must be a YAML file (.yaml or .yml), got another kind of file"


@pytest.mark.parametrize(
    ("kind", "name", "beside", "where", "problem"),
    [
        ("studies", "mine", None, "", "there is no study 'mine': must be a YAML file, got a folder"),
        ("studies", "rows.csv", None, "", f"there is no study 'rows.csv': {OTHER}"),
        ("spaces", "a.csv", Path("mine"), "s.yaml:3", f"s.yaml:3: there is no space 'a.csv': {OTHER}"),
        ("studies", "/no/z", None, "", "there is no study '/no/z': looked at /no/z.yaml"),
    ],
    ids=["a folder", "a table", "a table beside the study", "an absolute path"],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
def test_what_is_there_in_place_of_a_file_is_reported(
    kind: str, name: str, beside: Path | None, where: str, problem: str
) -> None:
    Path("mine").mkdir()
    Path("mine/a.csv").touch()
    Path("rows.csv").touch()
    with pytest.raises(ConfigurationError) as caught:
        find(kind, name, beside, where)
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize("name", ["", "\0", "x" * 5000, "../../etc/passwd", "a\nb"])
def test_no_name_is_so_strange_that_it_is_not_simply_unknown(folder: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no study"):
        find("studies", name)


def test_data_that_studies_share_are_no_study() -> None:
    assert any(path.parts[0] == "data" for path in FILES)
    assert not any(name.startswith("data/") for name in known_names("studies"))


def test_names_of_the_current_folder_and_shipped_ones_are_listed_once(folder: Path) -> None:
    write("studies/quickstart.yaml")
    write("studies/mine.yaml")
    assert known_names("studies") == sorted([*STUDIES, "mine"])
