"""What this machine has, as ``rbsnn doctor`` shows it."""

from __future__ import annotations

from typing import Any

import torch

from robustbench_snn.errors import UserError
from robustbench_snn.kernels.compiling import mode, state
from robustbench_snn.kernels.native import runs
from robustbench_snn.machine import cpu_name, git_state, package_versions
from robustbench_snn.model.neurons import NeuronConfig, implementation
from robustbench_snn.registry import datasets


def diagnose() -> dict[str, dict[str, Any]]:
    """Versions, devices with their neuron implementation and its compiler, and which datasets are found, by section."""
    devices = {"cpu": cpu_name()}
    for index in range(torch.cuda.device_count()):
        devices[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    commit, dirty = git_state()
    return {
        "versions": {**package_versions(), "git commit": f"{commit}{' (changed)' if dirty else ''}"},
        "devices": devices,
        "neurons": {name: implementation(NeuronConfig().build(), name) for name in devices},
        "compiling": _compiling(),
        "datasets": {name: _state(name) for name in datasets},
    }


def _compiling() -> dict[str, str]:
    """Whether neurons run in machine code on the CPU, and why not."""
    if mode() == "off":
        return {"neurons": "off; without RBSNN_COMPILE=off, runs would be faster"}
    runs(torch.zeros(1))
    return {"neurons": state("cpu")}


def _state(name: str) -> str:
    from robustbench_snn.dataset import load_dataset

    try:
        found = load_dataset(name)
    except UserError as error:
        return f"not found: {error}"
    return f"{len(found.train)} training, {len(found.validation)} validation, {len(found.test)} test samples"
