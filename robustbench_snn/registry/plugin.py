"""Plug-in files that a user names."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from robustbench_snn.errors import Stopped, UserError, raised

PREFIX = "robustbench_snn_plugin_"
"""Begins the module names of plug-in files."""


def load_plugin(path: str | Path) -> None:
    """Imports a Python file that the user named, so that its decorators register what it holds.

    Raises:
        UserError: if the file is missing or fails to import.
    """
    file = Path(path).resolve()
    name = f"{PREFIX}{file.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(file):
        return
    if not os.path.isfile(file):  # unlike Path.is_file, False for a name that is too long
        raise UserError(f"plug-in {path} is not a file; --plugin takes the path of a .py file")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plug-in {path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (UserError, KeyboardInterrupt, Stopped):
        sys.modules.pop(name, None)
        raise
    except BaseException as error:  # the user's own code may fail in any way, and even call sys.exit
        sys.modules.pop(name, None)
        raise UserError(f"plug-in {path} cannot be imported: {raised(error)}") from error
