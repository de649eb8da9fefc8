"""The picture of docs/event-attacks.md: one sample under SDA, and three attacks over the number of changed events.

Run from the repository's root: python docs/scripts/event_attack_figures.py
It trains one model of suites/events-quickstart.yaml, or finds it in runs/, and prints what the page quotes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, get_args

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from robustbench_snn.dataset import load_dataset
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.event.colours import coloured
from robustbench_snn.event_attack.attacking import Attacked, AttackName, EventAttack, attack_batch, attack_events
from robustbench_snn.execution.rebuild import rebuild
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.store import Store

FIGURES = Path(__file__).resolve().parents[1] / "figures"
RUNS = Path("runs")
SUITE: dict[str, Any] = {
    "name": "event-attack-figures",
    "dataset": {"name": "digits_events", "frames": 8, "limit": 200},
    "timesteps": 8,
    "recipe": "digits_quick",
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "1110"}},
    "models": [{"name": "events spikformer", "encoder": "events"}],
    "evaluations": ["clean"],
}
SAMPLES = 50
BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200)
SHOWN = 30
"""The sample in the picture is the first that takes from half as many to as many changes: few enough to see."""


def subject() -> Subject:
    """The trained model and the first test samples."""
    spec = parse_suite(SUITE, "event_attack_figures.py")
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    run_plan(plan, RUNS, RUNS / "results", RunSettings(), mode="draft")
    store = Store(RUNS)
    return Subject(rebuild(store, store.find(key_of(plan.train[0]))), plan.dataset.test.first(SAMPLES))


def example(of: Subject, found: Attacked, attack: EventAttack) -> dict[str, Tensor]:
    """One sample before and after, and what was added and removed, (F, 2, H, W) each."""
    fits = (2 * found.changes >= SHOWN) & (found.changes <= SHOWN)
    (batch,) = of.samples.batches(1, positions=fits.nonzero()[:1, 0])
    with of.target.frozen():
        active = attack_batch(of, batch, attack)
    before, after = batch.images[0], active.best[0]
    print(f"shown: digit {int(batch.labels)}, {int(active.changes)} changes among {int(before.sum())} events")
    rows = {"before": before, "after": after, "added": after - before, "removed": before - after}
    return {title: frames.clamp_min(0.0) for title, frames in rows.items()}


def draw(rows: dict[str, Tensor], found: dict[AttackName, Attacked]) -> Figure:
    """Frames above, the curves below."""
    columns = len(rows["before"]) + 1
    figure = Figure(figsize=(1.1 * columns, 1.2 * len(rows) + 3.2), layout="constrained")
    parts = figure.subfigures(2, 1, height_ratios=(1.2 * len(rows), 3.2), squeeze=False)
    panels = parts[0, 0].subplots(len(rows), columns)
    for row, (title, frames) in zip(panels, rows.items(), strict=True):
        for step, panel in enumerate(row):
            last = step == len(frames)
            counts = frames.sum(0) if last else frames[step]
            _show(panel, counts, float(counts.max() if last else frames.max()))
            if title == "before":
                panel.set_title("sum" if last else f"frame {step + 1}", fontsize="small")
        row[0].set_ylabel(title, fontsize="small")
    axis = parts[1, 0].subplots()
    for name, one in found.items():
        heights = [100 * float(one.withstands(budget).double().mean()) for budget in (0, *BUDGETS)]
        axis.plot((0, *BUDGETS), heights, marker="o", label={"sda": "SDA"}.get(name, name))
    axis.set_xscale("symlog", linthresh=1)
    axis.set_xticks((0, *BUDGETS), labels=[str(budget) for budget in (0, *BUDGETS)])
    axis.set(xlabel="changed events", ylabel="robust accuracy, %", ylim=(0.0, 101.0))
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def _show(panel: Axes, counts: Tensor, most: float) -> None:
    panel.imshow(coloured(counts, most).movedim(0, -1).numpy(), interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])


def main() -> None:
    """Prints the curves, and writes docs/figures/event_l0.png."""
    of = subject()
    found: dict[AttackName, Attacked] = {}
    for name in get_args(AttackName):
        attack, begun = EventAttack(BUDGETS, name), time.process_time()
        with of.target.frozen():
            found[name] = attack_events(of, attack)
        took, one = time.process_time() - begun, found[name]
        fooled = one.clean & (one.changes > 0)
        print(
            f"{name}: robust accuracy at {BUDGETS}:",
            *(f"{100 * float(one.withstands(budget).double().mean()):.0f}" for budget in (0, *BUDGETS)),
            f"fooled {int(fooled.sum())} of {int(one.clean.sum())}, median {one.changes[fooled].double().median():g},",
            f"forward {one.queries[one.clean].double().mean():.0f},",
            f"backward {one.gradients[one.clean].double().mean():.1f} a sample, {took:.0f} s of processor time",
        )
    rows = example(of, found["sda"], EventAttack(BUDGETS))
    draw(rows, found).savefig(FIGURES / "event_l0.png", dpi=150)


if __name__ == "__main__":
    main()
