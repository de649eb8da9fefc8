"""How often tests call a model different from itself: the numbers of docs/statistics.md.

    python docs/scripts/seed_calibration.py simulate                 # a table of simulated experiments
    python docs/scripts/seed_calibration.py retrain --seeds 12       # trains one encoder again and again, resumably
    python docs/scripts/seed_calibration.py report runs/seeds/outcomes.npz

``retrain`` trains direct coding on digits with the quickstart's model and recipe, one seed after the other in one
thread, and stores the outcomes of every seed whose evaluations are done. ``report`` takes such a file: an array
(seeds, samples) for each condition. It splits the seeds at random in halves and compares the halves; since both are
one model, every difference found is false.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution.session import Options, Session
from robustbench_snn.leaderboard.calibration import TESTS, Population, halves, p_values
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import load_suite
from robustbench_snn.store.store import Store

CONDITIONS = "[clean, {pgd: {eps: 16/255, steps: 10}}, {corruptions: {types: [gaussian_noise], draws: 1}}]"
NAMES = ("clean", "pgd", "gaussian_noise")
POPULATIONS = {
    "none": Population("binary", interaction=0.0),
    "small (0.1)": Population("binary", seed=0.1),
    "medium (0.3)": Population("binary", seed=0.3),
    "medium, other samples hard": Population("binary", seed=0.3, model=1.0),
    "large (1.0)": Population("binary", seed=1.0),
    "none, shares": Population("share"),
    "medium, shares": Population("share", seed=0.3),
    "medium, other samples hard, shares": Population("share", seed=0.3, model=1.0),
}


def retrain(seeds: int, limit: int | None, epochs: int | None, folder: Path) -> None:
    """Trains and evaluates; everything finished is kept in ``folder`` and not computed again."""
    torch.set_num_threads(1)
    changes = [
        "models=[{name: direct, encoder: direct}]",
        f"seeds=[{', '.join(map(str, range(seeds)))}]",
        f"evaluations={CONDITIONS}",
        f"dataset={{name: digits{'' if limit is None else f', limit: {limit}'}}}",
    ]
    changes += [] if epochs is None else [f"recipe={{name: digits_quick, epochs: {epochs}}}"]
    suite = load_suite("quickstart", changes)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    session = Session(plan, Store(folder), Options())
    outcomes: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    for cell in plan.train:
        if failure := session.train(cell).failure:
            raise SystemExit(f"{cell.title}: {failure.message}")
        for index, name in enumerate(NAMES):
            records = [session.evaluate(found) for found in plan.evaluations_of(cell) if found.entry == index]
            if failed := [record.failure.message for record in records if record.failure]:
                raise SystemExit(f"{name}, seed {cell.seed}: {failed[0]}")
            outcomes[name].append(np.mean([session.store.samples(r.key)["correct"] for r in records], axis=0))
        done: dict[str, Any] = {name: np.stack(values) for name, values in outcomes.items()}
        np.savez_compressed(folder / "outcomes.npz", **done)
        shown = ", ".join(f"{name} {values[-1].mean():.3f}" for name, values in done.items())
        sys.stderr.write(f"seed {cell.seed}: {shown}\n")


def report(path: Path, splits: int) -> str:
    """Rates of p < 0.05 between halves of one model's seeds, as a Markdown table."""
    lines = [f"| condition | seeds | n | mean % | sd over seeds | {' | '.join(TESTS)} |", f"|---|{'---:|' * 7}"]
    with np.load(path) as stored:
        conditions = {name: stored[name].astype(np.float64) for name in stored.files}
    for name, outcomes in conditions.items():
        if len(outcomes) < 4:
            raise SystemExit(f"{path}, {name}: {len(outcomes)} seeds; halves of two seeds each need at least 4")
        found = p_values(*halves(outcomes, splits, np.random.default_rng(0)))
        rates = " | ".join(f"{100 * np.mean(found[test] < 0.05):.1f}" for test in TESTS)
        sd = 100 * outcomes.mean(1).std(ddof=1)
        lines.append(
            f"| {name} | {len(outcomes)} | {outcomes.shape[1]} | {100 * outcomes.mean():.1f} | {sd:.2f} | {rates} |"
        )
    return "\n".join(lines)


def simulate(repeats: int) -> str:
    """Rates of p < 0.05 between two models that do not differ, as two Markdown tables."""
    lines = [f"| seed effect | n | {' | '.join(TESTS)} |", f"|---|{'---:|' * 4}"]
    for name, population in POPULATIONS.items():
        for samples in (200, 1000):
            rates = [_rates(population, population, (k, k), samples, repeats) for k in (2, 3, 5, 10)]
            cells = [" / ".join(f"{of_k[test]:.1f}" for of_k in rates) for test in TESTS]
            lines.append(f"| {name} | {samples} | {' | '.join(cells)} |")
    lines += ["", f"| seed effects | seeds | {' | '.join(TESTS)} |", f"|---|{'---:|' * 4}"]
    pairs = [(1.0, 1.0, (2, 10)), (1.0, 1.0, (3, 10)), (1.0, 0.3, (2, 10)), (1.0, 0.3, (3, 10))]
    pairs += [(1.0, other, (k, k)) for other in (0.3, 0.0) for k in (2, 3, 5)]
    for first, second, seeds in pairs:
        found = _rates(Population("binary", seed=first), Population("binary", seed=second), seeds, 200, repeats)
        cells = [f"{found[test]:.1f}" for test in TESTS]
        lines.append(f"| {first} and {second} | {seeds[0]} and {seeds[1]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rates(
    candidate: Population, baseline: Population, seeds: tuple[int, int], samples: int, repeats: int
) -> dict[str, float]:
    """Percentage of experiments with p < 0.05, by test."""
    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {test: [] for test in TESTS}
    for _ in range(repeats // 100):
        drawn = p_values(*candidate.draw(generator, 100, seeds, samples, baseline=baseline))
        for test in TESTS:
            found[test].append(float(np.mean(drawn[test] < 0.05)))
    return {test: 100 * float(np.mean(values)) for test, values in found.items()}


def main() -> None:
    """Prints tables; retrainings go to ``--folder``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    simulating = modes.add_parser("simulate", help="experiments with a known truth")
    simulating.add_argument("--repeats", type=int, default=2000)
    training = modes.add_parser("retrain", help="train one encoder many times")
    training.add_argument("--seeds", type=int, default=12)
    training.add_argument("--limit", type=int, default=None, help="evaluate on the first samples only")
    training.add_argument("--epochs", type=int, default=None, help="instead of the recipe's, to try the script")
    training.add_argument("--folder", type=Path, default=Path("runs/seeds"), help="store of records and outcomes.npz")
    reporting = modes.add_parser("report", help="halves of one model's seeds")
    reporting.add_argument("outcomes", type=Path, help="an .npz file: an array (seeds, samples) for each condition")
    reporting.add_argument("--splits", type=int, default=10_000)
    options = parser.parse_args()
    if options.mode == "simulate":
        print(simulate(options.repeats))
    elif options.mode == "retrain":
        retrain(options.seeds, options.limit, options.epochs, options.folder)
    else:
        print(report(options.outcomes, options.splits))


if __name__ == "__main__":
    main()
