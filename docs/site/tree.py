"""MkDocs hook: the site's pages lie as they do in the repository, so that one link serves both.

MkDocs takes its pages from ``docs/`` alone, but those link the READMEs, examples and settings beside it. Here every
file has its path in the repository, and whatever a page links becomes a page too: markdown as it is, notebooks and
source files with their code, folders as a list of what is in them.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
OPENING = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages that lie outside ``docs/`` and that no page need link."""

LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
LEXERS = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".cff": "yaml", ".sh": "bash"}
MEDIA = {".png", ".svg", ".css", ".js", ".txt"}


class Shown(File):  # type: ignore[misc]  # mkdocs lives in an environment of its own
    """A notebook, a source file or a folder as a page."""

    def is_documentation_page(self) -> bool:
        """True: MkDocs would copy what does not end in ``.md``."""
        return True

    @property
    def content_string(self) -> str:
        """The page in markdown."""
        return markdown(self.src_uri)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Gives the files of ``docs/`` their path in the repository, and adds what they link."""
    theirs = [file for file in files if file.src_dir != config.docs_dir]
    docs = [
        f"docs/{file.src_uri}" for file in files if file.src_dir == config.docs_dir and file.inclusion.is_included()
    ]
    wanted = dict.fromkeys([*OPENING, *docs], InclusionLevel.INCLUDED)  # each must be in the navigation
    waiting = list(wanted)
    while waiting:
        for path in links(waiting.pop()):
            if path not in wanted:
                wanted[path] = InclusionLevel.NOT_IN_NAV
                waiting.append(path)
    return Files([*theirs, *(as_file(path, config, inclusion) for path, inclusion in sorted(wanted.items()))])


def links(path: str) -> Iterator[str]:
    """What a page links inside the repository, by its path there."""
    if (ROOT / path).is_dir() or path.endswith((".md", ".ipynb")):
        for target in LINK.findall(markdown(path)):
            linked = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if not linked.startswith("..") and (ROOT / linked).exists():
                yield linked


def as_file(path: str, config: MkDocsConfig, inclusion: InclusionLevel) -> File:
    """A file as MkDocs wants it: a page, or something to copy."""
    plain = path.endswith(".md") or (ROOT / path).suffix in MEDIA
    made = File if plain else Shown
    address = None if plain else f"{path}/index.html" if (ROOT / path).is_dir() else f"{path}.html"
    return made(path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=address, inclusion=inclusion)


def markdown(path: str) -> str:
    """A file or folder of the repository in markdown."""
    there = ROOT / path
    if there.is_dir():
        return f"# `{path}/`\n\n{listing(there)}\n"
    text = there.read_text()
    if there.suffix == ".md":
        return text
    if there.suffix == ".ipynb":
        cells = [cell(each["cell_type"], "".join(each["source"])) for each in json.loads(text)["cells"]]
        return "\n\n".join([*cells, f"This page is the notebook `{path}`, whose outputs are made by running it."])
    return f"---\nsearch:\n  exclude: true\n---\n\n# `{path}`\n\n{fenced(text, LEXERS.get(there.suffix, 'text'))}\n"


def cell(kind: str, source: str) -> str:
    """One cell of a notebook."""
    return fenced(source, "python") if kind == "code" else source


def fenced(code: str, language: str) -> str:
    """A block of code."""
    return f"````{language}\n{code.rstrip()}\n````"


def listing(folder: Path) -> str:
    """The Python files of a folder, each with the first line of its docstring."""
    lines = []
    for file in sorted(folder.glob("*.py")):
        if says := ast.get_docstring(ast.parse(file.read_text())):
            lines.append(f"- [`{file.name}`]({folder.name}/{file.name}): {says.splitlines()[0]}")
    return "\n".join(lines)
