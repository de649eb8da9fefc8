"""What the documents show must run, and what they link must be there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from spikingjelly.activation_based import neuron
from torch import nn

import robustbench_snn
from robustbench_snn.cli import app
from robustbench_snn.dataset import load_dataset
from robustbench_snn.registry import KINDS, load_plugin
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.testing import check_file

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = {
    "encoder": "encoders",
    "backbone": "backbones",
    "evaluation": "suites",
    "attack": "suites/attacks",
    "corruption": "suites/corruptions",
    "event_corruption": "suites/event_corruptions",
    "estimator": "suites/estimators",
    "dataset": "robustbench_snn/datasets",
}
"""The folder of each kind of component; its README shows one."""

READMES = [ROOT / folder / "README.md" for folder in COMPONENTS.values()]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/**/*.md"), *READMES]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def register(page: str, kind: str, folder: Path) -> tuple[str, Path]:
    """Registers the one component of this kind that a page shows, as a plug-in; its name, and its file."""
    (code,) = [block for block in blocks(page, "python") if f"@register_{kind}(" in block]
    (shown,) = re.findall(rf'@register_{kind}\(\s*"(\w+)"', code)
    name = f"{shown}_of_{re.sub(r'[^a-z]', '_', page.removesuffix('.md').lower())}"  # two pages call theirs fading
    file = folder / f"{name}.py"
    file.write_text(code.replace(f'"{shown}"', f'"{name}"'))
    load_plugin(file)
    return name, file


def spiking_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), neuron.LIFNode(v_threshold=0.1), nn.Linear(64, 10))  # T = 1


def digits(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Test images and labels, the labels being what the untrained model says of them."""
    images = load_dataset("digits").test.images(torch.arange(count))
    with torch.no_grad():
        return images, spiking_model()(images).argmax(1)


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("README.md", "encoder"),
        ("CONTRIBUTING.md", "encoder"),
        ("docs/newcomer.md", "encoder"),
        *(
            (f"{COMPONENTS[kind]}/README.md", kind)
            for kind in ("encoder", "backbone", "evaluation", "event_corruption")
        ),
    ],
)
def test_a_shown_component_passes_the_conformance_kit(tmp_path: Path, page: str, kind: str) -> None:
    name, file = register(page, kind, tmp_path)
    results = check_file(file)
    assert {result.component for result in results} == {f"{kind} {name}"}
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("page", ["suites/attacks/README.md", "docs/newcomer.md"])
def test_the_shown_attack_fools_a_model(tmp_path: Path, page: str) -> None:
    name, _ = register(page, "attack", tmp_path)
    images, labels = digits(50)
    clean, attacked = robustbench_snn.evaluate(
        spiking_model(), images, labels, ["clean", {"attack": {"attack": name, "eps": "16/255"}}], timesteps=1
    )
    assert clean.accuracy == 1.0
    assert attacked.accuracy < 0.9


def test_the_shown_estimator_gives_another_gradient(tmp_path: Path) -> None:
    name, _ = register("suites/estimators/README.md", "estimator", tmp_path)
    images, labels = digits(50)
    fgsm = {"eps": "8/255", "keep_images": 50}
    ours, theirs = robustbench_snn.evaluate(
        spiking_model(), images, labels, [{"fgsm": {**fgsm, "estimator": name}}, {"fgsm": fgsm}], timesteps=1
    )
    assert ours.accuracy < 1.0
    assert any((ours.arrays[key] != theirs.arrays[key]).any() for key in ours.arrays)


def test_the_shown_corruption_leaves_three_levels_at_severity_five(tmp_path: Path) -> None:
    name, _ = register("suites/corruptions/README.md", "corruption", tmp_path)
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    corrupted = robustbench_snn.corrupt(images, name, severity=5)
    assert corrupted.unique().tolist() == [0, 127, 255]


def test_the_newcomer_s_corruption_darkens_the_corners_alone(tmp_path: Path) -> None:
    name, _ = register("docs/newcomer.md", "corruption", tmp_path)
    corrupted = robustbench_snn.corrupt(torch.ones(1, 1, 9, 9), name, severity=5)[0, 0]
    assert corrupted[4, 4] == 1.0
    assert corrupted[0, 0] == pytest.approx(0.2)


def test_the_shown_dataset_loads(tmp_path: Path) -> None:
    name, _ = register("robustbench_snn/datasets/README.md", "dataset", tmp_path)
    dataset = load_dataset(name, limit=50)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (360, 40, 50)
    image, label = dataset.test.images(torch.arange(1))[0, 0], int(dataset.test.labels[0])
    assert (image == 1.0).sum(1 - label).max() == 8  # the line runs across the axis that is the label


@pytest.mark.parametrize("page", [page for page in PAGES if "results" not in page.parts], ids=str)
def test_components_are_written_with_plugins_alone(page: Path) -> None:
    for block in blocks(str(page.relative_to(ROOT)), "python"):
        if "@register_" in block:
            assert set(re.findall(r"^(?:from|import) (robustbench_snn\S*)", block, re.MULTILINE)) == {
                "robustbench_snn.plugins"
            }


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
        ("event_corruptions", "docs/event-corruptions.md"),
    ):
        text = (ROOT / page).read_text()
        for name in KINDS[kind]:
            declared = KINDS[kind].declaration(name)
            if not declared.preset and declared.origin.startswith("robustbench_snn."):  # not another test's plug-in
                assert f"`{name}`" in text, f"{page} does not name {name}"


def test_pages_name_every_command_that_takes_plugins() -> None:
    def taking(command: Any, name: str) -> Iterator[str]:
        for word, part in getattr(command, "commands", {}).items():
            yield from taking(part, f"{name} {word}".strip())
        if any("--plugin" in option.opts for option in command.params):
            yield name

    (listed,) = re.findall(r"wherever components are named: ([^.]+)\.", (ROOT / "docs/tables.md").read_text())
    assert set(" ".join(listed.split()).split(", ")) == set(taking(typer.main.get_command(app), ""))


def test_the_architecture_names_every_room() -> None:
    package = ROOT / "robustbench_snn"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    rooms |= {path.stem for path in package.glob("*.py")} - {"__init__"}
    (table,) = re.findall(r"\| room \|.*?\n\n", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line))) == rooms


def test_the_house_has_no_more_floors_than_the_architecture_says() -> None:
    pytest.importorskip("grimp", reason="comes with import-linter, which only developers install")
    command = [sys.executable, str(ROOT / "docs/scripts/floors.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (stated,) = re.findall(r"\*\*(\d+) floors", (ROOT / "docs/architecture.md").read_text())
    assert int(done.stdout.split()[0]) <= int(stated)


def test_the_changelog_names_every_component_above_version_one() -> None:
    _, section = (ROOT / "CHANGELOG.md").read_text().split("### Component versions", 1)
    named = set(re.findall(r"^- (\w+) `(\w+)` (\d+): \S", section, re.MULTILINE))
    declared = {
        (registry.kind, name, str(found.version))
        for registry in KINDS.values()
        for name in registry
        for found in [registry.declaration(name)]
        if found.version > 1 and not found.preset and found.origin.startswith("robustbench_snn.")
    }
    assert declared, "the versions are read from the registry, and some are above 1"
    assert declared <= named
