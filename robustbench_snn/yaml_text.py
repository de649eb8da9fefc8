"""YAML that people write, read so that no text costs much time or memory, and none means two things."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from robustbench_snn.reading import read_text

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: the same, slower
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

MOST_BYTES = 2**20
"""Of a text, in UTF-8: some 10,000 models."""
MOST_NODES = 100_000
"""Values of a text; an alias counts as all that it stands for, so that a few lines cannot stand for billions."""
MOST_DEPTH = 32
"""How deep values may lie in each other."""

_KEY_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_WIDEST_NUMBER = 64
_TAG = "tag:yaml.org,2002:"
# What no terminal, path or table should be given: control characters but tab and ends of lines, lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class RefusedYAMLError(yaml.MarkedYAMLError):
    """YAML that is not read, though another program might."""

    def __init__(self, problem: str, mark: Any = None) -> None:
        super().__init__(problem=problem, problem_mark=mark)


def read_yaml(text: str) -> Any:
    """The plain data of a YAML text: mappings, lists, texts, whole and finite numbers, true, false and null.

    Keys are text, or whole numbers, and stand once. Dates are text. There are no tags; aliases and merges (``<<``)
    there are.

    Raises:
        yaml.YAMLError: if it is no YAML, or is refused: for its size, a key that stands twice, a tag, a number of more
            than 64 bits or that is not finite, a character that cannot be printed.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise RefusedYAMLError("it holds characters that are not Unicode") from None
    if size > MOST_BYTES:
        raise RefusedYAMLError(f"it has {size} bytes; at most {MOST_BYTES} are read")
    _check(text)
    return yaml.load(text, Loader=_Loader)


def read_text_file(path: Path) -> str:
    """The text of a YAML file, not yet read as YAML; raises what :func:`robustbench_snn.reading.read_text` does."""
    return read_text(path, MOST_BYTES)


@dataclass
class _Open:
    """A mapping or list whose end is not yet reached.

    Attributes:
        anchor: its name for aliases.
        keys: of a mapping, those so far; None for a list.
        nodes: all below it so far, itself included.
        awaits_key: whether a mapping's next value is a key.
    """

    anchor: str | None
    keys: set[str] | None
    nodes: int = 1
    awaits_key: bool = field(init=False)

    def __post_init__(self) -> None:
        self.awaits_key = self.keys is not None


_Event: TypeAlias = Any  # yaml.events, which the stubs do not tell apart


def _check(text: str) -> None:
    """Reads the text event by event, building nothing, and refuses what is not to be built."""
    sizes: dict[str, int] = {}
    stack: list[_Open] = []
    for event in yaml.parse(text, Loader=_Base):
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _refuse_tag(event)
                _refuse_as_key(stack, event)
                stack.append(_Open(event.anchor, set() if isinstance(event, yaml.MappingStartEvent) else None))
                if len(stack) > MOST_DEPTH:
                    raise RefusedYAMLError(f"more than {MOST_DEPTH} values lie in each other", event.start_mark)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = stack.pop()
                _add(stack, sizes, done.anchor, done.nodes, event)
            case yaml.ScalarEvent():
                _refuse_tag(event)
                if _UNPRINTABLE.search(event.value):
                    raise RefusedYAMLError("a text holds a character that cannot be printed", event.start_mark)
                if stack and stack[-1].awaits_key:
                    _note_key(stack[-1], event)
                _add(stack, sizes, event.anchor, 1, event)
            case yaml.AliasEvent(anchor=str() as name):
                _refuse_as_key(stack, event)
                if name not in sizes:
                    raise RefusedYAMLError(f"nothing before it is called '{_start(name)}'", event.start_mark)
                _add(stack, sizes, None, sizes[name], event)


def _add(stack: Sequence[_Open], sizes: dict[str, int], anchor: str | None, nodes: int, event: _Event) -> None:
    """Counts a value, once it is whole, to what it lies in."""
    if nodes > MOST_NODES:
        raise RefusedYAMLError(f"it stands for more than {MOST_NODES} values", event.start_mark)
    if anchor is not None:
        sizes[anchor] = nodes
    if stack:
        stack[-1].nodes += nodes
        if stack[-1].nodes > MOST_NODES:
            raise RefusedYAMLError(f"it stands for more than {MOST_NODES} values", event.start_mark)
        if stack[-1].keys is not None:
            stack[-1].awaits_key = not stack[-1].awaits_key


def _refuse_tag(event: _Event) -> None:
    if event.tag is not None:
        raise RefusedYAMLError(f"tags such as {_start(event.tag)} are not read", event.start_mark)


def _refuse_as_key(stack: Sequence[_Open], event: _Event) -> None:
    if stack and stack[-1].awaits_key:
        raise RefusedYAMLError("a key is neither text nor a number", event.start_mark)


def _note_key(mapping: _Open, event: _Event) -> None:
    assert mapping.keys is not None
    if event.value in mapping.keys:
        raise RefusedYAMLError(f"the key '{_start(event.value)}' stands twice", event.start_mark)
    mapping.keys.add(event.value)
    if event.implicit[0] and not _KEY_NUMBER.fullmatch(event.value):
        tag = _resolver.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call]
        if tag not in (f"{_TAG}str", f"{_TAG}merge"):
            raise RefusedYAMLError(
                f"the key {_start(event.value) or 'null'} is not text; write it in quotes", event.start_mark
            )


def _start(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


class _Loader(_Base):
    """The safe loader, with numbers that any program can hold, and without dates."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Puts what a mapping merges before its own keys, which come first, as do those of the first merged.

        PyYAML 6.0.4 tells keys apart by their addresses, and gives back the value that was replaced.
        """
        pairs: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(source, yaml.MappingNode):
                        raise RefusedYAMLError("a merge (<<) takes a mapping, or a list of them", key.start_mark)
                    self.flatten_mapping(source)
                    pairs = {pair[0].value: pair for pair in source.value} | pairs
        own = {key.value: (key, value) for key, value in node.value if key.tag != f"{_TAG}merge"}
        node.value = list((pairs | own).values())


_resolver = yaml.resolver.BaseResolver()
_Loader.yaml_implicit_resolvers = _resolver.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in (f"{_TAG}timestamp", f"{_TAG}value")]
    for first, forms in _Base.yaml_implicit_resolvers.items()
}


def _whole(loader: Any, node: yaml.ScalarNode) -> int:
    value = _number(node, loader.construct_yaml_int)
    if not -(2**63) <= value < 2**63:
        raise RefusedYAMLError(f"the number {_start(node.value)} has more than 64 bits", node.start_mark)
    return int(value)


def _finite(loader: Any, node: yaml.ScalarNode) -> float:
    value = _number(node, loader.construct_yaml_float)
    if not math.isfinite(value):
        raise RefusedYAMLError(f"the number {_start(node.value)} is not finite", node.start_mark)
    return float(value)


def _number(node: yaml.ScalarNode, construct: Any) -> Any:
    if len(node.value) > _WIDEST_NUMBER:
        raise RefusedYAMLError(f"a number of {len(node.value)} characters: {_start(node.value)}", node.start_mark)
    try:
        return construct(node)
    except (ValueError, OverflowError):  # what its pattern lets through: 0x_
        raise RefusedYAMLError(f"{_start(node.value)} is not a number", node.start_mark) from None


_Loader.add_constructor(f"{_TAG}int", _whole)
_Loader.add_constructor(f"{_TAG}float", _finite)
