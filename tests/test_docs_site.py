"""The documentation's site builds without a dead link or anchor, and needs nothing of another host."""

import json
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

import hinet_search
from tests.report.test_report_access import FAINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this checkout, with one report that has a picture of one card."""
    folder = tmp_path_factory.mktemp("site")
    cards = folder / "reports" / "shop-cards"
    cards.mkdir(parents=True)
    (folder / "reports" / "shop.html").write_text("<h1>HiNet wins</h1>")
    (cards / "02-cells.png").write_bytes(b"")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of the libraries that build it
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        config = load_config(
            str(ROOT / "mkdocs.yml"),
            strict=True,  # a warning, such as a dead link, ends the build
            site_dir=str(folder / "site"),
            extra={"generator": False, "reports": str(folder / "reports")},
        )
        build(config)
    return folder / "site"


def page(site: Path, name: str) -> str:
    return (site / name).read_text()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = [*site.glob("*.html"), *site.glob("results/*.html")]
    assert len(pages) > 30
    loads = re.compile(
        r"""<(?:script|img|iframe)[^>]* src=["']?\w+:|<link[^>]* href=["']?https?:"""
    )
    assert not [path.name for path in pages if loads.search(path.read_text())]


def test_a_site_that_is_opened_as_files_can_be_searched(site: Path) -> None:
    index = page(site, "search/search_index.js")
    texts = json.loads(index[index.index("{") : index.rindex("}") + 1])["docs"]
    assert any(entry["location"].startswith("scale-out.html") for entry in texts)
    for name in ("index.html", "results/index.html"):
        (script,) = re.findall(r'src="([^"]*iframe-worker\.js)"', page(site, name))
        assert (site / name).parent.joinpath(script).is_file()


def test_every_public_name_of_python_is_on_its_page(site: Path) -> None:
    headings = set(re.findall(r'<h2 id="hinet_search\.[\w.]*?(\w+)"', page(site, "api.html")))
    assert headings == set(hinet_search.__all__)


def test_links_to_pages_outside_docs_lead_to_their_copies(site: Path) -> None:
    assert 'href="CONTRIBUTING.html#adding-things-one-new-file-nothing-else-touched"' in page(
        site, "models.html"
    )
    assert 'href="../results/defaults.html"' in page(site, "benchmarks/index.html")


def test_links_to_files_that_the_site_does_not_have_are_text(site: Path) -> None:
    source = ROOT / "docs" / "results" / "defaults.md"
    assert "(../../hinet_search/data/guess/training_settings.py)" in source.read_text()
    assert "guess/training_settings.py" not in page(site, "results/defaults.html")


def test_every_page_of_results_is_in_the_navigation(site: Path) -> None:
    index = page(site, "index.html")
    for path in (ROOT / "docs" / "results").glob("*.md"):
        name = "index" if path.stem == "README" else path.stem
        assert f'href="results/{name}.html"' in index


def test_the_examples_have_every_report_and_its_cards(site: Path) -> None:
    examples = page(site, "examples.html")
    assert 'href="reports/shop.html"' in examples
    assert 'href="reports/shop.html#cells"' in examples
    assert 'src="reports/shop-cards/02-cells.png"' in examples
    assert page(site, "reports/shop.html") == "<h1>HiNet wins</h1>"


def test_the_front_page_has_a_picture_and_what_to_type(site: Path) -> None:
    front = page(site, "index.html")
    (picture,) = re.findall(r'<img src="([^"]+)"', front)
    assert (site / picture).is_file()
    assert "hinet-search launch quickstart" in re.sub(r"<[^>]+>", "", front)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["data.html", "studies.html", "results/public.html"])
def test_no_line_of_code_is_cut_on_a_small_laptop(
    site: Path, name: str, chromium: "Browser"
) -> None:
    seen = chromium.new_page(viewport={"width": 1280, "height": 900})
    seen.goto((site / name).as_uri())
    cut = "blocks => blocks.filter(block => block.scrollWidth > block.clientWidth + 1).length"
    assert seen.eval_on_selector_all("pre > code", cut) == 0
    seen.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_and_the_links_in_it_stand_out(
    site: Path, scheme: Literal["light", "dark"], chromium: "Browser"
) -> None:
    seen = chromium.new_page(color_scheme=scheme)
    seen.goto((site / "data.html").as_uri())
    shown_later = {"Initializing search", "¶"}
    assert [text for _, text in seen.evaluate(FAINT) if text not in shown_later] == []
    seen.close()
