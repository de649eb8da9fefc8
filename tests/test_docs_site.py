"""The documentation as a site, built by `make docs`: whole, the same text as on GitHub, no other host."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

import robustbench_snn
from robustbench_snn import plugins, testing
from robustbench_snn.registry import KINDS

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif("RBSNN_DOCS_SITE" not in os.environ, reason="RBSNN_DOCS_SITE names no built site")
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Page(HTMLParser):
    """What a page links and loads, its anchors, and the words of its article."""

    def __init__(self, file: Path, *, bare: bool = False) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.text = ""
        self._open: list[str] = ["article"] if bare else []
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "link" and given.get("rel") != "canonical":
            self.loads.append(given.get("href", ""))
        self.loads += [given["src"]] if "src" in given else []
        if tag not in VOID:
            self._open.append("aside" if given.get("class") == "headerlink" else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "article" in self._open and not {"aside", "script", "style"} & set(self._open):
            self.text += data


@pytest.fixture(scope="module")
def site() -> Path:
    return Path(os.environ["RBSNN_DOCS_SITE"]).resolve()


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_every_link_and_anchor_is_there_and_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    broken = []
    for file, page in pages.items():
        if file.name == "404.html":  # served for addresses at any depth
            continue
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                broken += [f"{file} loads {link}"] if link in page.loads and parts.scheme != "data" else []
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            there = pages[target].anchors if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in there):
                broken.append(f"{file} links {link}")
    assert len(pages) > 50
    assert broken == []


def test_the_reference_has_every_public_name_and_every_shipped_component(site: Path, pages: dict[Path, Page]) -> None:
    anchors = set().union(*(page.anchors for file, page in pages.items() if "reference" in file.parts))
    public = {
        f"{module.__name__}.{name}"
        for module in (robustbench_snn, plugins, testing)
        for name in module.__all__
        if name not in ("__version__", "CHECKS")
    }
    shipped = {
        f"{declared.origin}.{implementation.__qualname__}"
        for registry in KINDS.values()
        for name in registry
        for declared in [registry.declaration(name)]
        if declared.origin.startswith("robustbench_snn.")
        for implementation in [registry.get(name).implementation]
    }
    assert len(shipped) > 50
    assert (public | shipped) - anchors == set()


def test_no_markup_of_sphinx_or_tex_is_left_in_the_reference(pages: dict[Path, Page]) -> None:
    formulas = 0
    for file, page in pages.items():
        if "reference" in file.parts:
            assert not re.search(r":(?:func|class|meth|mod|attr|data|exc|math):|\.\. \w+::|\\[a-z]+\{", page.text), file
            symbols = re.findall(r"<m[ion][^>]*>([^<]*)", file.read_text())
            assert [symbol for symbol in symbols if symbol.startswith(("\\", "&amp;")) or symbol == "&"] == [], file
            formulas += len(symbols)
    assert formulas > 100


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "results/README.md"], ids=str)
def test_a_page_reads_as_on_github(site: Path, page: Path, tmp_path: Path) -> None:
    built = site / page.relative_to(ROOT).with_suffix(".html")
    rendered = tmp_path / "page.html"
    rendered.write_text(MarkdownIt("gfm-like", {"linkify": False}).render(page.read_text()))
    shown = built.parent / "index.html" if page.name == "README.md" else built
    assert Page(shown).text.split() == Page(rendered, bare=True).text.split()


@pytest.fixture
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.browser
def test_from_disk_search_finds_and_a_phone_need_not_scroll_sideways(site: Path, browser: Any) -> None:
    said: list[str] = []
    asked: list[str] = []
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index.html", "docs/attacks.html", "reference/plugins.html", "reference/components/encoders.html"):
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390, name
        assert page.evaluate("document.body.dataset.mdColorScheme") == "slate"
    assert said == []  # the search below may: its index is not always read when the first letter is typed
    page.locator("label[for=__search]").first.click()
    page.locator("input.md-search__input").click()
    page.keyboard.type("census")
    found = page.locator(".md-search-result__link")
    found.first.wait_for()
    assert any("docs/attacks.html" in link for link in found.evaluate_all("links => links.map(link => link.href)"))
    assert [url for url in asked if not url.startswith("file:")] == []
