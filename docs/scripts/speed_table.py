"""The table of docs/speed.md: how much faster passes, trainings and attacks have become, as ratios.

    git worktree add /tmp/before COMMIT
    python docs/scripts/speed_table.py --before /tmp/before
    python docs/scripts/speed_table.py --only growth

Both sides of a row run in processes of their own, which build, warm up and time themselves; they take turns, A B A B,
in three pairs of processes, and the table tells the median of the ratios of neighbours. Without ``--before`` the rows
against another checkout are left out. ``--cpu-time`` counts processor seconds instead, which other work on the machine
lengthens less; for one thread only.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
SMALL = {"depth": 2, "width": 64, "heads": 4}
EPS = 0.15
PAIRS = 3
Work = Callable[[], object]
End = tuple[Path, str, dict[str, Any]]
"""A checkout, a kind of work and its parameters."""


def spikformer(timesteps: int = 4, batch: int = 64, side: int = 32, classes: int = 10) -> tuple[Any, Any, Any]:
    """A small Spikformer in eval mode whose neurons fire, images and labels."""
    import torch

    from robustbench_snn.model.calibration import calibrate
    from robustbench_snn.model.counting import direct_classifier
    from robustbench_snn.model.task import Task

    torch.manual_seed(0)
    task = Task(3, side, side, classes, timesteps, (0.5,) * 3, (0.25,) * 3)
    images = torch.rand(batch, 3, side, side)
    model = calibrate(direct_classifier("spikformer", SMALL, task), lambda classifier: classifier(images[:8]))
    return model, images, torch.arange(batch) % classes


def gradient(estimator: str = "training", **sizes: int) -> Work:
    """The loss's gradient by the images, as an attack takes it."""
    import torch
    from torch.nn import functional as F

    from robustbench_snn.estimator.contract import estimating, make
    from robustbench_snn.model.input_gradient import input_gradient
    from robustbench_snn.model.target import Target

    model, images, labels = spikformer(**sizes)
    target = Target(model)

    def run() -> None:
        with target.frozen(), estimating(target, make(estimator), images[:8]) as chosen:
            leaf = images.clone().requires_grad_()
            for _ in range(3):  # the estimator's own preparation is paid once an attack
                with chosen.rows(torch.arange(len(images)), frozen=False):
                    input_gradient(F.cross_entropy(target(leaf), labels), leaf)

    return run


def training(**sizes: int) -> Work:
    """Forward, backward and AdamW's step, as the trainer does them."""
    from contextlib import nullcontext

    import torch
    from torch.nn import functional as F

    try:
        from robustbench_snn.model.fusing import fusing
    except ImportError:  # a checkout from before
        fusing = nullcontext  # type: ignore[assignment]

    model, images, labels = spikformer(**sizes)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-6)
    model.train()

    def run() -> None:
        with fusing(model):
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def pgd(ours: bool) -> Work:
    """PGD-50 on 256 digits, which leaves those that it has fooled; torchattacks takes all to the end."""
    import torchattacks

    from robustbench_snn import evaluate
    from robustbench_snn.attack.as_module import AsModule
    from robustbench_snn.model.target import Target
    from tests.attack_models import held_out, trained

    model, (images, labels) = trained(), held_out(256)
    entry = {"pgd": {"eps": EPS, "steps": 50, "loss": "plain_ce"}}

    def theirs() -> None:
        target = Target(model)
        with target.frozen(), target.as_it_is():  # SpikingJelly's own neurons, as without this package
            torchattacks.PGD(AsModule(target), eps=EPS, alpha=EPS / 4, steps=50)(images, labels)

    return (lambda: evaluate(model, images, labels, [entry], batch_size=256)) if ours else theirs


def cascade(ours: bool) -> Work:
    """snn_standard on 256 digits, of which 30 % survive; or its members one after another, on all to the last step."""
    from robustbench_snn import evaluate
    from robustbench_snn.attack.active_set import ActiveSet
    from robustbench_snn.attack.ball import Ball
    from robustbench_snn.attack.standard_set import doubled, last, members
    from robustbench_snn.dataset.samples import ArraySamples
    from robustbench_snn.estimator.contract import estimating, make
    from robustbench_snn.model.target import Target
    from robustbench_snn.registry import attacks
    from tests.attack_models import held_out, trained

    model, (images, labels) = trained(), held_out(256)
    target, eps = Target(model), 0.1

    def one_after_another() -> None:
        batch = next(ArraySamples(images, labels).batches(256))
        with target.frozen():
            for member in (*members("standard"), doubled(200), *last("standard")):
                estimator = make(member.estimator)
                with estimating(target, estimator, images[:8]):
                    state = estimator if estimator.stateful else None
                    streams = batch.random(0, member.seed_label)
                    active = ActiveSet(target, batch, Ball(eps), streams, batch_size=256, state=state, leave=False)
                    attacks.create(member.attack, **member.parameters).run(active)

    entry = {"snn_standard": {"eps": eps, "most_steps": 200}}
    return (lambda: evaluate(model, images, labels, [entry], batch_size=256)) if ours else one_after_another


def kept(estimator: str = "training", **sizes: int) -> float:
    """MB that one gradient by the images keeps from the forward pass for the backward pass."""
    import torch

    from robustbench_snn.estimator.contract import estimating, make
    from robustbench_snn.model.target import Target

    model, images, _ = spikformer(**sizes)
    target = Target(model)
    seen: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with target.frozen(), estimating(target, make(estimator), images[:8]):
        leaf = images.clone().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            logits = target(leaf)  # held, so that no address is used twice
    assert logits.requires_grad
    return sum(seen.values()) / 1e6


WORK: dict[str, Callable[..., Work]] = {"gradient": gradient, "training": training, "pgd": pgd, "cascade": cascade}
CHECKOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "input gradient, training surrogate, batch 8": ("gradient", {"batch": 8}),
    "input gradient, training surrogate, batch 64": ("gradient", {"batch": 64}),
    "input gradient, ASSG, batch 8": ("gradient", {"batch": 8, "estimator": "assg"}),
    "input gradient, ASSG, batch 64": ("gradient", {"batch": 64, "estimator": "assg"}),
    "training step, batch 8": ("training", {"batch": 8}),
    "training step, batch 64": ("training", {"batch": 64}),
}
RIVALS = {"PGD-50 on digits, torchattacks' time": "pgd", "snn_standard on digits, its members' time": "cascade"}
BASE = {"timesteps": 4, "batch": 16, "side": 32, "classes": 10}
GROWTH = {"timesteps": (8, 16), "batch": (8, 32, 64), "side": (48, 64), "classes": (100,)}


class Side:
    """One side of a row: a process that has built its work and does it when told to."""

    def __init__(self, tree: Path, work: str, parameters: dict[str, Any], options: argparse.Namespace) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", repr((work, parameters))]
        command += ["--threads", str(options.threads), *(["--cpu-time"] if options.cpu_time else [])]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(
            command, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask()  # warmed up

    def _ask(self) -> list[float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a side of this row failed, see above")
        return [float(number) for number in line.split()]

    def seconds(self) -> float:
        """Does the work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._ask()[0]

    def end(self) -> None:
        """Lets the process end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def megabytes(tree: Path, parameters: dict[str, Any]) -> float:
    """What a gradient keeps, in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--serve", repr(("kept", parameters))]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def serve(work: str, parameters: dict[str, Any], cpu_time: bool) -> None:
    """What a :class:`Side` runs: one time a line that it is sent."""
    import robustbench_snn

    assert Path(robustbench_snn.__file__).is_relative_to(Path.cwd()), "another checkout than the one to be measured"
    if work == "kept":
        print(kept(**parameters))
        return
    getattr(importlib.import_module("robustbench_snn.machine"), "keep_freed_memory", bool)()  # as its runs do
    clock = time.process_time if cpu_time else time.perf_counter
    run = WORK[work](**parameters)
    run()
    print(0.0, flush=True)
    for _ in sys.stdin:
        begun = clock()
        run()
        print(clock() - begun, flush=True)


def compared(first: End, second: End, options: argparse.Namespace) -> list[float]:
    """How many times as long the first side takes: ratios of neighbours, in several fresh pairs of processes.

    Two processes of one and the same program differ by a tenth for as long as they live, by where their memory lies.
    """
    found = []
    for _ in range(PAIRS):
        sides = Side(*first, options), Side(*second, options)
        found += [sides[0].seconds() / sides[1].seconds() for _ in range(max(1, options.rounds // PAIRS))]
        for side in sides:
            side.end()
    return found


def row(name: str, found: list[float]) -> None:
    """One line of the table."""
    print(f"| {name} | {statistics.median(found):.2f} | {min(found):.2f} to {max(found):.2f} |", flush=True)


def main() -> None:
    """Prints the table, or is one side of a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--only", choices=["checkouts", "rivals", "memory", "growth"])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cpu_time and options.threads > 1:
        parser.error("threads that wait count as processor time: --cpu-time takes one thread")
    if options.serve:
        import ast

        import torch

        torch.set_num_threads(options.threads)
        work, parameters = ast.literal_eval(options.serve)
        serve(work, parameters, options.cpu_time)
        return

    def wanted(part: str) -> bool:
        return options.only in (None, part)

    print(f"{options.threads} thread(s), median of {options.rounds} ratios in turn\n")
    print("| | ratio | range |\n|---|---|---|", flush=True)
    base: End = (HERE, "gradient", BASE)
    row("the same twice, for the noise", compared(base, base, options))
    if options.before is not None and wanted("checkouts"):
        for name, (work, parameters) in CHECKOUTS.items():
            before, now = (options.before, work, parameters), (HERE, work, parameters)
            row(f"{name}, before / now", compared(before, now, options))
    if wanted("rivals"):
        for name, work in RIVALS.items():
            theirs, ours = (HERE, work, {"ours": False}), (HERE, work, {"ours": True})
            row(f"{name} / ours", compared(theirs, ours, options))
    if options.before is not None and wanted("memory"):
        for estimator in ("training", "assg"):
            sizes = {"timesteps": 16, "batch": 16, "estimator": estimator}
            held = [megabytes(tree, sizes) for tree in (options.before, HERE)]
            row(f"kept for a gradient at T = 16, {estimator}, {held[0]:.0f} / {held[1]:.0f} MB", [held[0] / held[1]])
    if wanted("growth"):
        for name, size in ((name, size) for name, grown in GROWTH.items() for size in grown):
            row(
                f"gradient, {name} {BASE[name]} to {size}",
                compared((HERE, "gradient", BASE | {name: size}), base, options),
            )


if __name__ == "__main__":
    main()
