"""Types of fixtures that several test modules take."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

RunCommand = Callable[..., subprocess.CompletedProcess[str]]
"""The ``rbsnn`` fixture: takes the command's arguments, and environment variables by keyword."""
