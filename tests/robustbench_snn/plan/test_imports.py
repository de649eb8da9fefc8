"""What trains nothing, a command or a worker, is spared the seconds of libraries that only trainings need."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.tiny_suite import TINY

PROGRAM = """
import json, sys
from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import run_cells
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
suite = parse_suite(json.loads(sys.argv[1]))
make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
print(*sorted({"timm", "torchvision", "sklearn", "matplotlib", "torch._dynamo", "torchattacks"} & set(sys.modules)))
"""


def test_a_plan_needs_no_library_of_trainings() -> None:
    command = [sys.executable, "-c", PROGRAM, json.dumps(TINY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
