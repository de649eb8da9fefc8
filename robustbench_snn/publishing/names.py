"""Names of files and text for people, made of text that users wrote."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_LEFT, _RIGHT = "\u2068", "\u2069"  # first strong isolate, pop directional isolate
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name without suffix for every name: letters, digits, dots, dashes; different ones on any file system."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:60]
        if not plain or plain != name or plain.casefold() in {other.casefold() for other in found.values()}:
            plain = f"{plain or 'entry'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        found[name] = plain
    return found


def isolated(text: str) -> str:
    """Text for titles and attributes, which cannot turn the direction of what stands beside it."""
    return f"{_LEFT}{_CONTROL.sub('', text)}{_RIGHT}"


def visible(text: str) -> str:
    """Text without control characters; the page isolates its direction with ``<bdi>``."""
    return _CONTROL.sub("", text)
