"""The two streams that commands write to; square brackets and colons in names and messages are text."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console

output = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140, markup=False, emoji=False)
"""Results: standard output, so that they can be piped."""

errors = Console(stderr=True, markup=False, emoji=False)
"""Progress and errors."""


def print_json(value: Any) -> None:
    """Writes plain JSON, never wrapped or coloured."""
    output.print(json.dumps(value, indent=1, default=str), highlight=False, soft_wrap=True)
