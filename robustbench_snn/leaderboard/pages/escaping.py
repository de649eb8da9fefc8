"""Text of other people's making in pages: what it says is shown, what it would do is not done."""

from __future__ import annotations

import re
import unicodedata
from html import escape

_ENTITY = re.compile(r"&(?=#?\w+;)")
_LINK = re.compile(r"\](?=[(\[])")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_BLOCK = re.compile(r"^(?=[-#+>=\[])|^(\d+)(?=[.)])")

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    "†": r"\dag{}",
    "–": "--",
    "±": r"$\pm$",
    "ε": r"$\varepsilon$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
}


def visible(text: str) -> str:
    """One line without control and formatting characters: those are written out, by their number.

    Line breaks end table rows, escape codes drive terminals, and overrides of the writing direction turn text around.
    """
    if text.isprintable():
        return text
    text = re.sub(r"\s*[\t\r\n\v\f\x85\u2028\u2029]\s*", " ", text)
    return "".join(f"\\u{ord(sign):04x}" if unicodedata.category(sign) in ("Cc", "Cf", "Cs") else sign for sign in text)


def html(text: str) -> str:
    """Text for HTML, in an element or an attribute."""
    return escape(visible(text))


def markdown(text: str) -> str:
    """Text for GitHub-flavoured markdown: no HTML, links, emphasis, code, formulas or cells come of it."""
    text = visible(text).replace("\\", "\\\\")
    text = _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace("|", "&#124;")
    text = re.sub(r"[`*~$]", r"\\\g<0>", text)
    text = _LINK.sub(r"\\]", text)
    return _UNDERSCORE.sub(r"\\_", text)


def markdown_line(text: str) -> str:
    """The same at the begin of a line, where it becomes no heading, list, quote or definition."""
    return _BLOCK.sub(lambda found: f"{found[1]}\\" if found[1] else "\\", markdown(text).lstrip())


def code(text: str) -> str:
    """Text as a code span of markdown, which it does not end."""
    return f"`{visible(text).replace('`', chr(39))}`"


def latex(text: str) -> str:
    """Text for LaTeX: no commands come of it."""
    return "".join(_LATEX.get(sign, sign) for sign in visible(text))


def csv_cell(text: str) -> str:
    """Text for CSV that a spreadsheet does not take for a formula."""
    text = visible(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
