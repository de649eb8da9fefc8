"""YAML that is read, and YAML that is refused before it costs anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from robustbench_snn.yaml_text import MOST_BYTES, read_text_file, read_yaml

ROOT = Path(__file__).resolve().parents[2]


def bomb(first: str, line: str) -> str:
    """Thirty lines that stand for 10^29 values."""
    lines = [f"a{number}: &a{number} {line.format(', '.join([f'*a{number - 1}'] * 10))}" for number in range(1, 30)]
    return "\n".join([f"a0: &a0 {first}", *lines])


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("suites/*.yaml"), *ROOT.glob("robustbench_snn/*/**/*.yaml")]), ids=str
)
def test_files_that_ship_read_as_pyyaml_reads_them(path: Path) -> None:
    text = path.read_text()
    assert read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("{1: a, 2: b}", {1: "a", 2: "b"}),
        ("[2020-01-01, =, 1e-3, 1.0e-3, 0x10, yes, ~]", ["2020-01-01", "=", "1e-3", 0.001, 16, True, None]),
        ("x: {a: &b {<<: &c {k: 1}, k: 2}}\ny: {<<: *b}", {"x": {"a": {"k": 2}}, "y": {"k": 2}}),
        (
            "a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc: {<<: [*a, *b]}",
            {"a": {"k": 1}, "b": {"k": 2, "l": 3}, "c": {"k": 1, "l": 3}},
        ),
        ("9223372036854775807", 2**63 - 1),
        ("", None),
    ],
)
def test_plain_data_is_read(text: str, value: Any) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (bomb("[x]", "[{}]"), "stands for more than"),
        (bomb("{k: x}", "{{<<: [{}]}}"), "stands for more than"),
        ("&a [*a]", "nothing before it is called 'a'"),
        ("[" * 5000 + "]" * 5000, "nesting|lie in each other"),
        ("{a: " * 33 + "1" + "}" * 33, "lie in each other"),
        ("- " * 5000 + "1", "lie in each other"),
        ("- a\n" * 100_001, "stands for more than"),
        ("#" * (MOST_BYTES + 1), "bytes"),
        ("9" * 5000, "a number of 5000 characters"),
        ("9223372036854775808", "64 bits"),
        ("0x" + "f" * 40, "64 bits"),
        ("0x_", "is not a number"),
        (".nan", "not finite"),
        ("1.0e+999", "not finite"),
        ("{a: 1, a: 2}", "'a' stands twice"),
        ("a: {b: 1, c: 2, 'b': 3}", "'b' stands twice"),
        ("{1: a, '1': b}", "'1' stands twice"),
        ("{true: 1}", "true is not text"),
        ("{01: 1}", "01 is not text"),
        ("{[a]: 1}", "a key is neither"),
        ("a: &x b\n*x : c", "a key is neither"),
        ("!!int a", "tags"),
        ("!!python/name:os.system", "tags"),
        ("! a", "tags"),
        ('"\\0"', "cannot be printed"),
        ('"\\e[31m"', "cannot be printed"),
        ("\ud800", "not Unicode"),
        ("a\n---\nb", "document"),
        ("{", "flow"),
        ("<<: [a]", "takes a mapping"),
        ("<<: 3", "takes a mapping"),
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_what_no_suite_needs_is_refused(text: str, reason: str) -> None:
    with pytest.raises(yaml.YAMLError, match=reason) as refused:
        read_yaml(text)
    assert len(str(refused.value)) < 500


def test_only_files_are_read_and_no_large_ones(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * (MOST_BYTES + 1))
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "large", tmp_path / "nowhere"):
        with pytest.raises(OSError, match=r".+"):
            read_text_file(path)
    (tmp_path / "small").write_text("é")
    assert read_text_file(tmp_path / "small") == "é"
