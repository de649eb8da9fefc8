"""Names, parameters, presets, plug-ins: one mechanism for every kind of component."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from robustbench_snn.errors import UnknownNameError, UserError
from robustbench_snn.registry import KINDS, Registry, encoders, load_plugin
from robustbench_snn.registry.traits import EncoderTraits

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def registry() -> Registry[Any, EncoderTraits]:
    return Registry("encoder", "robustbench_snn.encoders", EncoderTraits)


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys\nfrom robustbench_snn.registry import KINDS\n"
        "names = [(kind, name, KINDS[kind].declaration(name).summary) for kind in KINDS for name in KINDS[kind]]\n"
        "assert ('encoders', 'stf') in [n[:2] for n in names]\nassert all(n[2] for n in names), names\n"
        "assert 'torch' not in sys.modules and 'spikingjelly' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_syntax_tree_says_what_the_import_says(kind: str) -> None:
    for name in KINDS[kind]:
        scanned, loaded = KINDS[kind].declaration(name), KINDS[kind].get(name).declaration
        assert (scanned.name, scanned.version, scanned.summary, dict(scanned.preset)) == (
            loaded.name,
            loaded.version,
            loaded.summary,
            dict(loaded.preset),
        )
        assert scanned.origin == loaded.origin
        assert scanned.traits == loaded.traits


def test_a_decorator_that_says_an_unknown_trait_is_refused(registry: Registry[Any, EncoderTraits]) -> None:
    with pytest.raises(TypeError, match="sparkling"):
        registry.register("t_trait", version=1, sparkling=True)


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown encoder 'sft'. Did you mean 'stf'\?"):
        encoders.get("sft")
    with pytest.raises(
        UnknownNameError, match=r"Unknown encoder 'xyzzy'. \(rbsnn list encoders; --plugin FILE adds some\)"
    ):
        encoders.get("xyzzy")


def test_parameters_are_checked_by_their_annotations(registry: Registry[Any, EncoderTraits]) -> None:
    @registry.register("t_checked", version=1, presets={"t_preset": {"size": 3}})
    def make(
        context: Any, *, size: Annotated[int, Field(ge=1)] = 2, kind: Literal["a", "b"] = "a", needed: float = 0.5
    ) -> Any:
        """Makes something."""
        return context, size, kind, needed

    assert registry.create("t_checked", "c") == ("c", 2, "a", 0.5)
    assert registry.create("t_preset", "c", kind="b") == ("c", 3, "b", 0.5)
    with pytest.raises(UserError) as caught:
        registry.create("t_checked", "c", size=0, kind="z", wrong=1)
    message = str(caught.value)
    assert "'size': input should be greater than or equal to 1, got 0" in message
    assert "'kind'" in message
    assert "unknown parameter 'wrong'" in message


def test_a_required_parameter_is_named(registry: Registry[Any, EncoderTraits]) -> None:
    @registry.register("t_required", version=1)
    def make(*, size: int) -> None:
        """Makes something."""

    with pytest.raises(UserError, match="parameter 'size' is required"):
        registry.create("t_required")


def test_a_name_cannot_be_taken_twice(registry: Registry[Any, EncoderTraits], tmp_path: Path) -> None:
    (tmp_path / "thief.py").write_text(
        '"""A thief."""\nfrom robustbench_snn.model.encoder import FrameEncoder, register_encoder\n\n'
        '@register_encoder("direct", version=1)\nclass Mine(FrameEncoder):\n    """Takes a name."""\n\n'
        "    def frames(self, images, timesteps):\n        return images.expand(timesteps, *images.shape)\n"
    )
    with pytest.raises(UserError, match=r"already registered by robustbench_snn\.encoders\.direct"):
        load_plugin(tmp_path / "thief.py")


def test_a_preset_of_a_parameter_that_is_not_there(registry: Registry[Any, EncoderTraits]) -> None:
    @registry.register("t_bad", version=1, presets={"t_bad_preset": {"nothing": 1}})
    def make(*, size: int = 1) -> None:
        """Makes something."""

    with pytest.raises(TypeError, match="nothing"):
        registry.create("t_bad_preset")


def test_kinds() -> None:
    assert {"encoders", "backbones", "evaluations", "datasets"} <= set(KINDS)
    assert all(kind == f"{registry.kind}s" for kind, registry in KINDS.items())
