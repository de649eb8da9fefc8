"""How the authors' published state dicts name the layers of their models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from robustbench_snn.weights.formats.layout import Layout
from robustbench_snn.weights.formats.qkformer import QKFORMER
from robustbench_snn.weights.formats.spikformer import SDT, SPIKFORMER
from robustbench_snn.weights.formats.spikingformer import SPIKINGFORMER

__all__ = ["FORMATS", "Layout"]

FORMATS: Mapping[str, Layout] = MappingProxyType(
    {"spikformer": SPIKFORMER, "spikingformer": SPIKINGFORMER, "sdt": SDT, "qkformer": QKFORMER}
)
