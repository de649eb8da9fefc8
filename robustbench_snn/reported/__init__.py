"""Numbers that papers report: shown beside measured ones, with their source, and never ranked or compared with them."""

from __future__ import annotations

from robustbench_snn.reported.numbers import Group, Number, ReportedSet, Source
from robustbench_snn.reported.reading import load_reported, shipped_reported

__all__ = ["Group", "Number", "ReportedSet", "Source", "load_reported", "shipped_reported"]
