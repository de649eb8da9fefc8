"""Every flag that the code raises is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import robustbench_snn
from robustbench_snn.errors import UnknownNameError
from robustbench_snn.evaluation.flags import FLAGS, explain

ROOT = Path(robustbench_snn.__file__).parent
RAISED = (
    r'flag\("(\w+)"',
    r'flags \+?= \["(\w+)"\]',
    r'flags=\["(\w+)"\]',
    r'\(?\["(\w+)"\] if',
    r'append\("(\w+)"\)',
    r'\*flags, "(\w+)"\]',
)


def test_every_flag_in_the_source_is_explained() -> None:
    files = [path for folder in ("attack", "evaluation", "suites") for path in (ROOT / folder).glob("*.py")]
    assert len(files) > 20
    raised = {flag for file in files for pattern in RAISED for flag in re.findall(pattern, file.read_text())}
    assert {"zero_gradient", "not_converged", "unverified", "outside_ball"} <= raised
    assert raised <= set(FLAGS)


def test_explanations() -> None:
    assert "gradient" in explain("zero_gradient")
    with pytest.raises(UnknownNameError, match="Did you mean 'zero_gradient'"):
        explain("zero_gradients")
