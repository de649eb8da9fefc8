"""Keys: equal for equal content, different for everything that can change a result."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.plan.keys import content_key, key_of
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.registry import KINDS
from robustbench_snn.spec.files import parse_suite


def plan(**changes: Any) -> Plan:
    suite = parse_suite(
        {
            "name": "three",
            "dataset": {"name": "digits", "limit": 10, "train_limit": 20},
            "models": [{"name": name, "encoder": "direct"} for name in ("a", "b", "c")],
            "evaluations": [
                "clean",
                {"snn_quick": {"eps": 0.01, "transfer_from": ["b@0"]}},
                {"transfer": {"eps": 0.01}},
            ],
            **changes,
        }
    )
    return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))


def test_keys_ignore_order_and_notice_every_value() -> None:
    key = content_key(a=1, b={"x": [1, 2], "y": None})
    assert key == content_key(b={"y": None, "x": (1, 2)}, a=1)
    assert key != content_key(a=1, b={"x": [2, 1], "y": None})
    assert len(key) == 64


def test_a_key_is_the_same_on_every_machine() -> None:
    """Published records are found by their keys: whoever changes how keys are made must raise KEY_VERSION."""
    assert content_key(kind="train", model={"name": "stf", "version": 1}, seed=0) == (
        "4843c47062f4a4e000bc74d9ba7d11d97ab735a321136a2a78f751bbacbb9a4a"
    )


def test_an_evaluation_depends_on_its_own_model_and_the_peers_it_uses() -> None:
    made = plan()
    clean, quick, transfer = made.evaluations_of(made.train[0])
    assert [train.peer_name for train in made.models_behind(clean)] == ["a@0"]
    assert [train.peer_name for train in made.models_behind(quick)] == ["a@0", "b@0"]
    assert [train.peer_name for train in made.models_behind(transfer)] == ["a@0", "b@0", "c@0"]
    assert [train.peer_name for train in made.peers_of(quick)] == ["b@0", "c@0"], "all can be named in messages"


def test_the_key_of_an_evaluation_follows_the_weights_of_its_model_and_of_its_peers() -> None:
    made = plan()
    quick = made.evaluations_of(made.train[0])[1]
    key = key_of(quick, {"a@0": "1", "b@0": "2"})
    assert key == key_of(quick, {"b@0": "2", "a@0": "1"})
    assert len({key, key_of(quick, {"a@0": "2", "b@0": "2"}), key_of(quick, {"a@0": "1", "b@0": "1"})}) == 3
    assert key != key_of(quick, {"a@0": "1"})
    with pytest.raises(UserError, match="train a, seed 0 has not been done"):
        key_of(quick, {"b@0": "2"})


def test_names_and_descriptions_are_in_no_key() -> None:
    renamed = [{"name": name, "encoder": "direct"} for name in ("x", "y", "z")]
    first, second = plan(), plan(name="other", description="other", models=renamed, table={"baseline": "x"})
    assert [key_of(cell) for cell in first.train] == [key_of(cell) for cell in second.train]
    for one, other in zip(first.evaluate, second.evaluate, strict=True):
        assert key_of(one, {one.train.peer_name: "1"}) == key_of(other, {other.train.peer_name: "1"})


@pytest.mark.parametrize(
    ("kind", "name", "changed"),
    [
        ("attacks", "pgd", {"pgd", "snn_fast"}),
        ("attacks", "square", {"snn_fast"}),
        ("estimators", "assg", {"snn_fast"}),
        ("corruptions", "fog", {"corruptions fog", "timesteps"}),
        ("evaluations", "clean", {"clean"}),
    ],
)
def test_versions_of_what_an_evaluation_runs_are_in_its_key(
    kind: str, name: str, changed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluations: list[object] = [
        "clean",
        {"pgd": {"eps": 0.1}},
        {"snn_fast": {"eps": 0.1}},
        {"corruptions": {"types": ["fog", "snow"]}},
        {"timesteps": {"conditions": [{"corruption": "fog", "severity": 1}]}},
    ]

    def keys() -> dict[str, str]:
        suite = parse_suite({"name": "t", "models": [{"name": "a", "encoder": "direct"}], "evaluations": evaluations})
        made = make_plan(suite, load_dataset("digits", limit=10))
        return {
            f"{cell.component.title} {cell.detail}".strip(): key_of(cell, {cell.train.peer_name: "w"})
            for cell in made.evaluate
        }

    before, registry = keys(), KINDS[kind]
    found = registry.get(name)
    newer = replace(found, declaration=replace(found.declaration, version=99))
    real = registry.get
    monkeypatch.setattr(registry, "get", lambda asked: newer if asked == name else real(asked))
    after = keys()
    assert {cell for cell in before if before[cell] != after[cell]} == changed


def test_a_plugin_whose_code_changed_is_another_model(tmp_path: Path) -> None:
    code = (
        "from robustbench_snn.plugins import FrameEncoder, register_encoder\n\n"
        '@register_encoder(\'t_shifty\', version=1)\nclass Shifty(FrameEncoder):\n    """Shows something."""\n\n'
        "    def frames(self, images, timesteps):\n        return images.expand(timesteps, *images.shape)"
    )
    script = (
        "import sys\nfrom robustbench_snn.registry import load_plugin\n"
        "from robustbench_snn.dataset import load_dataset\nfrom robustbench_snn.plan.keys import key_of\n"
        "from robustbench_snn.plan.plan import make_plan\nfrom robustbench_snn.spec.files import parse_suite\n"
        "load_plugin(sys.argv[1])\n"
        "suite = {'name': 't', 'models': [{'name': 'a', 'encoder': 't_shifty'}], 'evaluations': ['clean']}\n"
        "plan = make_plan(parse_suite(suite), load_dataset('digits', limit=10))\nprint(key_of(plan.train[0]))\n"
    )
    keys = []
    for version in (code, code, f"{code} * 0"):
        (tmp_path / "shifty.py").write_text(version)
        command = [sys.executable, "-c", script, str(tmp_path / "shifty.py")]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        keys.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert keys[0] == keys[1] != keys[2]


def test_an_eps_that_is_taken_from_the_suite_is_in_the_key_as_if_written() -> None:
    def keys(*evaluations: Any) -> dict[str, str]:
        made = plan(evaluations=list(evaluations))
        return {cell.component.name: key_of(cell, {"a@0": "0"}) for cell in made.evaluations_of(made.train[0])}

    bare = keys({"pgd": {"eps": "4/255"}}, "diagnostics")
    assert bare == keys({"pgd": {"eps": "4/255"}}, {"diagnostics": {"eps": "4/255"}})
    assert bare["diagnostics"] != keys({"pgd": {"eps": "5/255"}}, "diagnostics")["diagnostics"]
