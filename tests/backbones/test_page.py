"""The page on backbones says what the models say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from robustbench_snn.registry import backbones

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("backbone_figures", DOCS / "scripts" / "backbone_figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_operations_of_spikformer_by_hand(script: ModuleType) -> None:
    numbers = script.measure("spikformer_4_384")
    stem = 9 * (48 * 96 * 32**2 + 96 * 192 * 32**2 + 192 * 384 * 16**2 + 384 * 384 * 8**2)
    projections, products, mlp = 4 * 64 * 384**2, 2 * 12 * 64 * 32 * 32, 2 * 64 * 384 * 1536
    assert numbers.first_layer == 9 * 3 * 48 * 32**2
    assert numbers.others == 4 * (stem + 4 * (projections + products + mlp) + 384 * 10)
    assert numbers.synops(0.1) == pytest.approx(0.1 * numbers.others)


def test_tables_are_up_to_date(script: ModuleType) -> None:
    page = (DOCS / "backbones.md").read_text(encoding="utf-8")
    for row in script.table(("spikformer_4_384", "qkformer_4_384", "tdformer_v1", "sew_resnet18")).splitlines():
        assert row in page, "run docs/scripts/backbone_figures.py"


def test_every_backbone_has_its_section_and_its_figures_exist() -> None:
    page = (DOCS / "backbones.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        if line.startswith("!["):
            assert (DOCS / line.split("(")[1].rstrip(")")).is_file()
    for name in backbones:
        if backbones.declaration(name).origin.startswith("robustbench_snn.") and not backbones.declaration(name).preset:
            assert f"`{name}`" in page, name
