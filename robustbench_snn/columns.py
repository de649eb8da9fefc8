"""The type of what is kept for each sample."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Column = NDArray[Any]
"""One value, or one row of values, a sample: (N, ...)."""
