"""Reading files of reported numbers: those that ship, and a user's own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml
from pydantic import ValidationError

from robustbench_snn.errors import UnknownNameError, UserError, did_you_mean, shortened
from robustbench_snn.reported.numbers import ReportedSet
from robustbench_snn.yaml_text import read_text_file, read_yaml

_SHOWN = 50


def shipped_reported() -> list[str]:
    """Names of the sets that come with the package."""
    folder = resources.files("robustbench_snn.reported")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_reported(name_or_path: str) -> ReportedSet:
    """Reads a set of reported numbers.

    Args:
        name_or_path: a shipped set (``tdformer``), or the path of a file that ends in ``.yaml``.

    Raises:
        UserError: if there is no such set, or anything in it is not as it must be; every problem is named.
    """
    path = Path(name_or_path)
    if path.suffix == ".yaml":
        try:
            text = read_text_file(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"reported numbers {shortened(name_or_path)} cannot be read: {reason}") from None
    elif name_or_path in shipped_reported():
        text = (resources.files("robustbench_snn.reported") / f"{name_or_path}.yaml").read_text(encoding="utf-8")
    else:
        known = shipped_reported()
        hint = did_you_mean(name_or_path, known)
        raise UnknownNameError(
            f"no reported numbers '{shortened(name_or_path)}'.{hint} Shipped: {', '.join(known)}; "
            "name a file of your own by its path, which ends in .yaml"
        )
    try:
        data = read_yaml(text)
        return ReportedSet.model_validate({"name": path.stem, **data} if isinstance(data, dict) else data)
    except yaml.YAMLError as error:
        raise UserError(f"reported numbers {name_or_path}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problems = "\n".join(
            shortened(f"  {'.'.join(map(str, one['loc'])) or '(top)'}: {one['msg']}") for one in error.errors()[:_SHOWN]
        )
        raise UserError(f"reported numbers {name_or_path} are not as they must be:\n{problems}") from None
