"""The command in a process of its own, forked from one that has imported the large libraries and nothing of ours.

It is what ``python -m robustbench_snn.cli`` does, without the seconds that importing torch takes each time.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

LIBRARIES = (
    *("torch", "torchvision", "spikingjelly.activation_based.neuron", "numba", "scipy.stats"),
    *("pandas", "pyarrow.parquet", "pydantic", "rich.console", "typer", "yaml", "safetensors.torch", "PIL.Image"),
)
"""None that looks at variables of the environment as it is imported, such as timm, which imports the hub's client."""
ROOT = Path(__file__).resolve().parents[1]


def server() -> ForkServerContext:
    """The context whose server has the libraries; it starts once a test process, and ends with it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    return context


def run_forked(
    arguments: Sequence[object], cwd: Path, environment: Mapping[str, str], timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Runs ``rbsnn`` with these arguments; returns what ``subprocess.run`` of it with pipes does.

    Args:
        arguments: after the name of the command.
        cwd: its folder.
        environment: all its variables, with ``PYTHONPATH`` and ``OMP_NUM_THREADS``.
        timeout: seconds after which it is killed.
    """
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        child = server().Process(target=_command, args=(words, str(cwd), dict(environment), list(map(str, files))))
        child.start()
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired(["rbsnn", *words], timeout)
        outputs = [file.read_text(encoding="utf-8") for file in files]
    return subprocess.CompletedProcess(["rbsnn", *words], child.exitcode, *outputs)


def _command(words: list[str], cwd: str, environment: dict[str, str], files: list[str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.stdout.flush()
    sys.stderr.flush()
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644), number)
    sys.path[:0] = [cwd, *environment["PYTHONPATH"].split(os.pathsep)]
    sys.argv = ["rbsnn", *words]
    sys.modules["torch"].set_num_threads(int(environment["OMP_NUM_THREADS"]))
    runpy.run_module("robustbench_snn.cli", run_name="__main__", alter_sys=True)
