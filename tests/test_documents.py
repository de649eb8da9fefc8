"""What the documents show must run, and what they link must be there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from robustbench_snn.registry import KINDS
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.testing import check_file

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/**/*.md")]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_encoder_in_one_file_passes_the_conformance_kit(tmp_path: Path, page: str) -> None:
    (code,) = [block for block in blocks(page, "python") if "register_encoder" in block]
    name = f"fading_{page.removesuffix('.md').lower()}"  # both pages call theirs fading
    file = tmp_path / f"{name}.py"
    file.write_text(code.replace('"fading"', f'"{name}"'))
    results = check_file(file)
    assert len(results) > 10
    assert [result for result in results if not result.passed] == []


def test_the_explained_suite_file_is_valid() -> None:
    (text,) = blocks("README.md", "yaml")
    assert parse_suite(yaml.safe_load(text)).name == "quickstart"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_point_to_files_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_pages_name_every_encoder_backbone_and_attack() -> None:
    for kind, page in (
        ("encoders", "docs/encoders.md"),
        ("backbones", "docs/backbones.md"),
        ("attacks", "docs/attacks.md"),
    ):
        text = (ROOT / page).read_text()
        for name in KINDS[kind]:
            declared = KINDS[kind].declaration(name)
            if not declared.preset and declared.origin.startswith("robustbench_snn."):  # not another test's plug-in
                assert f"`{name}`" in text, f"{page} does not name {name}"
