"""Griffe extension and MkDocs hook: docstrings and signatures as readers of the reference want them.

Sphinx's markup becomes markdown, formulas become MathML, and components whose annotated fields are their parameters
get the signature that ``Parameterized`` gives them at run time. Browsers show MathML by themselves: no script, no font.
"""

from __future__ import annotations

import html
import re
from typing import Any

import griffe
from latex2mathml.converter import convert

ROLE = re.compile(r":(?:func|class|meth|mod|attr|data|exc):`~?([\w.]+)`")
INLINE = re.compile(r":math:`([^`]+)`")
BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +\S.*|[ \t]*(?=\n)))*)", re.MULTILINE)
LITERAL = re.compile(r"(?<=\w)::$", re.MULTILINE)
EXAMPLE = re.compile(r"^Example:(?=\n\s+>>>)", re.MULTILINE)
FIELDS = "of fields"
"""Label of an ``__init__`` that :func:`initializer` made."""
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


class Docstrings(griffe.Extension):  # type: ignore[misc]  # griffe lives in an environment of its own
    """Rewrites every docstring before it is parsed, and completes signatures."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Called once for every class."""
        family = [cls, *cls.mro()]
        written = [each.name for each in family if each.name == "Parameterized" or is_written(each)]
        if written[:1] == ["Parameterized"]:
            cls.set_member("__init__", initializer(family))

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called once for the package, of which :meth:`on_object` is not told."""
        self.on_object(obj=pkg)

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called once for everything else."""
        if obj.docstring:
            text = ROLE.sub(lambda found: reference(found[1], obj), obj.docstring.value)
            text = BLOCK.sub(lambda found: block(found[2], found[1]), INLINE.sub(r"\\(\1\\)", text))
            obj.docstring.value = EXAMPLE.sub("Examples:", LITERAL.sub(":", text))


def is_written(cls: griffe.Class) -> bool:
    """Whether a class has an ``__init__`` in its source."""
    return "__init__" in cls.members and FIELDS not in cls.members["__init__"].labels


def initializer(family: list[griffe.Class]) -> griffe.Function:
    """The ``__init__`` of a keyword-only dataclass, from the annotated fields of it and its bases."""
    fields = {
        name: griffe.Parameter(
            name, annotation=field.annotation, kind=griffe.ParameterKind.keyword_only, default=field.value
        )
        for each in reversed(family)
        for name, field in each.members.items()
        if field.is_attribute and field.annotation is not None
        if "instance-attribute" in field.labels  # no property, no ClassVar
    }
    itself = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    made = griffe.Function("__init__", parameters=griffe.Parameters(itself, *fields.values()))
    made.labels.add(FIELDS)
    return made


def reference(name: str, scope: griffe.Object) -> str:
    """A name as code, linked where the reference shows it."""
    try:
        first, _, rest = name.partition(".")
        path = name if first == "robustbench_snn" else ".".join(filter(None, [scope.resolve(first), rest]))
    except griffe.NameResolutionError:
        return f"`{name}`"
    return f'<autoref optional identifier="{path}"><code>{name}</code></autoref>'


def block(tex: str, indent: str) -> str:
    """A displayed formula; as Sphinx has it, lines are aligned at their ``&``."""
    inside = " ".join(tex.split())
    if "&" in inside:
        inside = rf"\begin{{split}}{inside}\end{{split}}"
    return f"\n{indent}$$ {inside} $$\n"


def on_page_content(content: str, **_: Any) -> str:
    """Formulas, as arithmatex leaves them, become MathML."""
    return FORMULA.sub(lambda found: formula(html.unescape(found[2]).strip(), displayed=found[1] == "div"), content)


def formula(tex: str, *, displayed: bool) -> str:
    """A formula as MathML; a displayed one scrolls where it is wider than the page."""
    if displayed:
        return f'<div class="formula">{convert(tex, display="block")}</div>'
    return str(convert(tex))
