"""Pages: in the site's order, with links that lead somewhere, and nothing loaded from elsewhere."""

import re
from pathlib import Path

import pytest
import yaml

from preflight.runs.manifest import LEDGER

PROJECT = Path(__file__).parents[3]
DOCS = PROJECT / "docs"
MADE = {"dictionary.md"}  # by make docs
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.name not in MADE)
DOCUMENTS = [
    *PROJECT.glob("*.md"),
    *PAGES,
    *PROJECT.glob("data/01_raw/*.md"),
    *PROJECT.glob("*/README.md"),
]


class Site(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python objects."""


Site.add_multi_constructor("", lambda *_: None)


def in_order(nav: object) -> list[str]:
    """Return the pages of a navigation, as they follow each other."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in in_order(part)]


def test_every_page_is_in_the_navigation_once() -> None:
    nav = in_order(yaml.load((PROJECT / "mkdocs.yml").read_text(), Site)["nav"])
    assert nav[0] == "index.md"
    assert len(nav) <= 20  # more than a reader overlooks
    assert sorted(nav) == sorted({str(page.relative_to(DOCS)) for page in PAGES} | MADE)


def anchors(text: str) -> set[str]:
    """Return the fragments by which a page's headings are linked to."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)", without_code, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def dead_links(page: Path, text: str) -> list[str]:
    """Return the links that lead to no file, or to no heading of it."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, fragment = link.partition("#")
        target = page.parent / name if name else page
        if re.match(r"https?:|mailto:", link) or target.name in MADE:
            continue
        known = anchors(target.read_text()) if target.suffix == ".md" and target.exists() else set()
        if not target.exists() or (fragment and fragment not in known):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: str(p.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


def test_a_dead_link_is_found() -> None:
    text = "[a](runs.md) [b](none.md) [c](runs.md#make-it-again) [d](runs.md#none) [e](#f)\n## F\n"
    assert dead_links(DOCS / "new.md", text.replace("(#f)", "(index.md#none)")) == [
        "none.md",
        "runs.md#none",
        "index.md#none",
    ]
    assert dead_links(DOCS / "runs.md", "[a](index.md#break-one-thing)") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_of_the_site_links_to_nothing_outside_of_docs(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).resolve().is_relative_to(DOCS)] == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    files = [PROJECT / "mkdocs.yml", *DOCS.rglob("*.css"), *DOCS.rglob("*.svg")]
    for path in files:
        text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "//" not in text, path
    for page in PAGES:
        assert (
            re.findall(r"!\[[^]]*\]\(https?:|<(?:script|link|img|iframe)", page.read_text()) == []
        )


@pytest.mark.parametrize("picture", sorted(DOCS.rglob("*.svg")), ids=lambda p: p.stem)
def test_a_picture_says_what_it_shows_and_has_a_dark_twin(picture: Path) -> None:
    text = picture.read_text()
    assert re.search(r"<title id=\"t\">.+</title>\s*<desc id=\"d\">.+</desc>", text)
    assert "prefers-color-scheme: dark" in text


def missing_paths(text: str) -> list[str]:
    """The files and folders in backticks that are not there; runs make the ledger."""
    named = set(re.findall(r"`([\w./]+/[\w.]+|[\w]+\.\w+)`", text)) - {LEDGER, "nodes.py"}
    modules = {name for name in named if name.startswith("preflight.")}
    paths = {name: PROJECT / name for name in named - modules}
    paths |= {name: PROJECT / "src" / name.replace(".", "/") for name in modules}
    return sorted(name for name, path in paths.items() if not path.exists())


def test_the_rules_for_coding_assistants_are_short_and_name_what_there_is() -> None:
    text = (PROJECT / "AGENTS.md").read_text()
    assert len(text.splitlines()) <= 55
    assert {"src/preflight", "data/01_raw", LEDGER} <= set(re.findall(r"^- `(.+?)`", text, re.M))
    assert missing_paths(text) == []


def test_a_path_that_is_not_there_is_found() -> None:
    text = "`src/preflight`, `docs/nothing.md`, `preflight.features`, `preflight.nothing`, `a.yml`"
    assert missing_paths(text) == ["a.yml", "docs/nothing.md", "preflight.nothing"]
