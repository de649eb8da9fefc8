"""How the authors' published state dicts name the layers of their models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from robustbench_snn.weight_formats.layout import Layout
from robustbench_snn.weight_formats.qkformer import QKFORMER
from robustbench_snn.weight_formats.spikformer import SDT, SPIKFORMER
from robustbench_snn.weight_formats.spikingformer import SPIKINGFORMER

__all__ = ["FORMATS", "Layout"]

FORMATS: Mapping[str, Layout] = MappingProxyType(
    {"spikformer": SPIKFORMER, "spikingformer": SPIKINGFORMER, "sdt": SDT, "qkformer": QKFORMER}
)
