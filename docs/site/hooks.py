"""Hooks of the documentation's site: its navigation, the pages outside docs/, and links to files.

Links in our Markdown lead to files of the repository. On the site, those to pages that it has lead
there, and those to other files become plain text.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import hinet_search

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
# Pages of the site that are elsewhere in the repository.
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
LINK = re.compile(
    r"\[(?P<text>(?:[^][]|\[[^]]*\])*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)"
)
API, EXAMPLES, CSS = "api.md", "examples.md", "assets/stylesheets/site.css"
# The search of a site that is opened as files needs this script. Material loads it from a host.
WORKER, ELSEWHERE = "assets/javascripts/iframe-worker.js", "https://unpkg.com/iframe-worker/shim"
NO_REPORT = "There is none in this build: `make docs` adds the report of a stored study."


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the tables of docs/README.md and docs/results/README.md."""
    docs = Path(config.docs_dir)
    guides = [
        {title: [path.as_posix() for path in pages if path.parts[0] not in ("results", "..")]}
        for title, pages in _groups(docs / "README.md")
    ]
    results = [PurePosixPath("results/README.md"), *_linked(docs / "results/README.md")]
    config.extra_css.append(CSS)
    config.nav = [
        {"Home": "README.md"},
        *guides,
        {"Python names": API},
        {"Examples": EXAMPLES},
        {"Results": [path.as_posix() for path in results if path.parts[0] == "results"]},
        {"Project": list(OUTSIDE)},
    ]
    return config


def _groups(page: Path) -> Iterator[tuple[str, list[PurePosixPath]]]:
    """Yield each heading of a page and the pages that are linked below it."""
    for group in page.read_text().split("\n## ")[1:]:
        title, _, text = group.partition("\n")
        yield title, list(_linked(page, text))


def _linked(page: Path, text: str | None = None) -> Iterator[PurePosixPath]:
    """Yield the pages that (a part of) a page links to, in order, each once, relative to docs/."""
    folder = page.parent.relative_to(ROOT / "docs").as_posix()
    whole = page.read_text() if text is None else text
    targets = (match["target"] for match in LINK.finditer(whole))
    pages = (normpath(f"{folder}/{target}") for target in targets if target.endswith(".md"))
    for name in dict.fromkeys(pages):
        if normpath(f"docs/{name}") != page.relative_to(ROOT).as_posix():
            yield PurePosixPath(name)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, those made here, and the reports of this checkout."""
    reports = sorted((ROOT / config.extra["reports"]).glob("*.html"))
    cards = [card for report in reports for card in _cards(report)]
    pages = {name: (ROOT / name).read_text() for name in OUTSIDE}
    pages |= {API: _api(), EXAMPLES: _examples(reports)}
    copies = {WORKER: HERE / "iframe-worker.js", CSS: HERE / "site.css"}
    copies |= {f"reports/{report.name}": report for report in reports}
    copies |= {_on_site(card): card for card in cards}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    for name, path in copies.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def _cards(report: Path) -> list[Path]:
    """Return the pictures of a report's cards (docs/pictures.py)."""
    return sorted(report.with_name(f"{report.stem}-cards").glob("*.png"))


def _on_site(card: Path) -> str:
    return f"reports/{card.parent.name}/{card.name}"


def _api() -> str:
    """The public names, functions first, from their docstrings."""
    public = {name: getattr(hinet_search, name) for name in hinet_search.__all__}
    order = sorted(public, key=lambda name: (isinstance(public[name], type), name))
    blocks = [f"::: {public[name].__module__}.{name}" for name in order]
    return "\n\n".join(["# Python names", "How they are used: [Python](python.md).", *blocks, ""])


def _examples(reports: list[Path]) -> str:
    parts = ["# Examples", "Reports as studies write them. [How to read one](report.md)."]
    for report in reports:
        page = f"reports/{report.name}"
        parts += [f"## {report.stem}", f"[The whole report]({page}). Its cards:"]
        for card in _cards(report):
            name = card.stem.partition("-")[2]
            parts.append(f"[![Card {name}]({_on_site(card)})]({page}#{name})")
    return "\n\n".join([*parts, *([] if reports else [NO_REPORT]), ""])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change links that lead out of docs/."""
    here = page.file.src_uri if page.file.src_uri in OUTSIDE else f"docs/{page.file.src_uri}"

    def changed(match: re.Match[str]) -> str:
        target = match["target"]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        in_repository = normpath(f"{PurePosixPath(here).parent}/{target}")
        on_site = in_repository.removeprefix("docs/")
        if not (ROOT / in_repository).exists():
            return match[0]  # dead: the build ends
        if on_site not in files.src_uris:
            return match["text"]
        link = relpath(on_site, PurePosixPath(page.file.src_uri).parent)
        return f"[{match['text']}]({link}{match['anchor'] or ''})"

    return LINK.sub(changed, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Load the script of the search from the site itself."""
    return output.replace(ELSEWHERE, relpath(WORKER, PurePosixPath(page.url).parent))


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """Do the same on the page for addresses that do not exist."""
    return output.replace(ELSEWHERE, f"/{WORKER}")
