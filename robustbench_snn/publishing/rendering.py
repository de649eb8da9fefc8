"""The templates of the site: every text from users is escaped, and isolated in its direction."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from robustbench_snn.publishing.charts import swatch
from robustbench_snn.publishing.names import isolated, visible

FOLDER = Path(__file__).resolve().parent


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"isolated": isolated, "user": _user, "path": quote, "heat": heat, "signed": "{:+.1f}".format}
    made.globals["swatch"] = lambda number: Markup(swatch(number))
    return made


def render(template: str, root: str, **values: Any) -> bytes:
    """A page, as UTF-8.

    Args:
        template: its file in ``templates``.
        root: relative path from the page to the site's folder, such as ``../``; empty for the index.
        values: what the template names.
    """
    return _environment().get_template(template).render(root=root, **values).encode()


def heat(share: float) -> str:
    """The style of a heat map's cell for an accuracy in [0, 1]: ``h0`` to ``h20``."""
    return f"h{round(20 * min(max(share, 0.0), 1.0))}"


def _user(text: str) -> Markup:
    """Text that a user wrote, escaped; it cannot turn the direction of what stands beside it."""
    return Markup("<bdi>{}</bdi>").format(visible(text))
