"""A component from outside is known by its code: other code, another key."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from robustbench_snn.registry import attacks, encoders
from tests.forked import server

ROOT = Path(__file__).resolve().parents[3]
DISTRIBUTION = ROOT / "tests" / "plugin_distribution" / "src" / "rbsnn_example_plugin"
PLUGIN = '''
from {beside} import STRENGTH
from robustbench_snn.plugins import register_corruption

@register_corruption("mine", version=1, group="noise", stochastic=False, cifar=((1.0,),) * 5, imagenet=((1.0,),) * 5)
def mine(images, random, strength: float):
    """Adds a constant."""
    return images + STRENGTH * strength
'''


def source(name: str, kind: str, plugin: Path | None, *places: Path) -> Mapping[str, str]:
    """Source of a component as a process of its own finds it, which has imported nothing of ours yet."""
    receiver, sender = server().Pipe(duplex=False)
    child = server().Process(target=_find, args=(sender, name, kind, plugin, [str(place) for place in places]))
    child.start()
    child.join(300)
    assert child.exitcode == 0
    found: Mapping[str, str] = receiver.recv()
    return found


def _find(sender: Connection, name: str, kind: str, plugin: Path | None, places: list[str]) -> None:
    sys.dont_write_bytecode = True  # two versions within a second would be taken for one
    sys.path[:0] = places
    from robustbench_snn.registry import KINDS, load_plugin

    if plugin:
        load_plugin(str(plugin))
    sender.send(dict(KINDS[kind].get(name).source))


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plug-in file and a module beside it, which imports another in turn."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "mine.py").write_text(PLUGIN.format(beside="beside"))
    (folder / "beside.py").write_text("from further import STRENGTH\n")
    (folder / "further.py").write_text("STRENGTH = 1.0\n")
    (folder / "unrelated.py").write_text("x = 1\n")
    return folder / "mine.py"


def test_a_plugin_file_is_known_by_its_code_and_that_of_the_modules_beside_it(plugin: Path) -> None:
    folder = plugin.parent

    def digest() -> str:
        (found,) = source("mine", "corruptions", plugin, folder).values()
        return found

    first = digest()
    assert digest() == first
    (folder / "unrelated.py").write_text("x = 2\n")
    (folder / "new.py").write_text("y = 1\n")
    assert digest() == first
    (folder / "further.py").write_text("STRENGTH = 0.0\n")
    second = digest()
    (folder / "beside.py").write_text("from further import STRENGTH  # the same\n")
    third = digest()
    plugin.write_text(plugin.read_text().replace("images +", "0 *"))
    assert len({first, second, third, digest()}) == 4


def test_moving_a_plugin_leaves_it_what_it_was(plugin: Path) -> None:
    before = source("mine", "corruptions", plugin, plugin.parent)
    moved = plugin.parent.rename(plugin.parent.with_name("moved"))
    assert source("mine", "corruptions", moved / plugin.name, moved) == before


def test_a_package_beside_a_plugin_counts_with_its_submodules(plugin: Path) -> None:
    package = plugin.parent / "parts"
    package.mkdir()
    (package / "__init__.py").write_text("from .strength import STRENGTH\n")
    (package / "strength.py").write_text("STRENGTH = 1.0\n")
    plugin.write_text(PLUGIN.format(beside="parts"))
    before = source("mine", "corruptions", plugin, plugin.parent)
    (package / "strength.py").write_text("STRENGTH = 0.0\n")
    assert source("mine", "corruptions", plugin, plugin.parent) != before


def test_a_plugin_that_imports_a_module_by_name_counts_it(plugin: Path) -> None:
    """``import beside`` within a function is an import too."""
    plugin.write_text(
        PLUGIN.replace("from {beside} import STRENGTH\n", "").replace(
            "    return", "    from further import STRENGTH\n    return"
        )
    )
    before = source("mine", "corruptions", plugin, plugin.parent)
    (plugin.parent / "further.py").write_text("STRENGTH = 0.0\n")
    assert source("mine", "corruptions", plugin, plugin.parent) != before


def test_a_distribution_is_known_by_its_version_and_files(tmp_path: Path) -> None:
    """Laid out as an installer leaves it."""
    package = tmp_path / "rbsnn_example_plugin"
    package.mkdir()
    for file in DISTRIBUTION.glob("*.py"):
        (package / file.name).write_text(file.read_text())

    def install(version: str) -> None:
        for old in tmp_path.glob("*.dist-info/*"):
            old.unlink()
        info = tmp_path / "rbsnn_example_plugin.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rbsnn-example-plugin\nVersion: {version}\n")
        (info / "top_level.txt").write_text("rbsnn_example_plugin\n")
        (info / "entry_points.txt").write_text("[robustbench_snn.encoders]\ncontrast = rbsnn_example_plugin.contrast\n")

    install("1.0")
    first = source("contrast", "encoders", None, tmp_path)
    assert first["rbsnn-example-plugin"] == "1.0"
    (tmp_path / "elsewhere.py").write_text("x = 1\n")
    assert source("contrast", "encoders", None, tmp_path) == first
    install("1.1")
    second = source("contrast", "encoders", None, tmp_path)
    assert second["sha256"] == first["sha256"]
    (package / "contrast.py").write_text(f"{(package / 'contrast.py').read_text()}\n# other code\n")
    third = source("contrast", "encoders", None, tmp_path)
    assert third["sha256"] != first["sha256"]
    assert third["rbsnn-example-plugin"] == second["rbsnn-example-plugin"] == "1.1"


def test_components_of_this_package_have_their_version_for_that() -> None:
    assert encoders.get("stf").source == attacks.get("pgd").source == {}
