"""The table of docs/attacks.md: one small SNN trained three ways, under every attack, on the same samples.

    python docs/scripts/attack_table.py

Needs pyautoattack (the official AutoAttack) beside the package. About half an hour on one CPU core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.as_module import AsModule
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.target import Target
from robustbench_snn.training.adversarial import AdversarialConfig, adversarial_loss

EPS = 0.15


class ConvLIF(nn.Module):
    """Two convolutions with LIF neurons and a linear readout, T = 4; with noise, a draw for every forward."""

    def __init__(self, noise: float = 0.0, timesteps: int = 4, width: int = 16) -> None:
        super().__init__()
        self.noise, self.timesteps = noise, timesteps
        self.first = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width))
        self.second = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width))
        self.spike1 = neuron.LIFNode(2.0, detach_reset=True, step_mode="m")
        self.spike2 = neuron.LIFNode(2.0, detach_reset=True, step_mode="m")
        self.read = nn.Linear(2 * width * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10)."""
        frames = images.expand(self.timesteps, *images.shape)
        if self.noise:
            frames = frames + self.noise * torch.randn_like(frames)
        spikes = self.spike1(self.first(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]))
        spikes = self.spike2(self.second(spikes.flatten(0, 1)).unflatten(0, frames.shape[:2]))
        logits: Tensor = self.read(spikes.flatten(2)).mean(0)
        return logits


def digits() -> tuple[Tensor, Tensor]:
    """Scikit-learn's digits, shuffled: images (1797, 1, 8, 8) in [0, 1], labels."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images / 16.0, dtype=torch.float32)[:, None]
    return images[order], torch.tensor(data.target)[order]


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, config: AdversarialConfig | None) -> None:
    """Adam, batches of 64."""
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(64):
            model.train()
            reset(model)
            if config is None:
                loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            else:
                loss = adversarial_loss(model, images[rows], labels[rows], config)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    model.eval()


def official(model: nn.Module, images: Tensor, labels: Tensor, stochastic: bool) -> float:
    """Robust accuracy under the official AutoAttack, its images judged as ours are."""
    from pyautoattack import AutoAttack

    target = Target(model, stochastic=stochastic)
    with target.frozen():
        version = "rand" if stochastic else "standard"
        attack = AutoAttack(AsModule(target), norm="Linf", eps=EPS, version=version, device="cpu", seed=0)
        adversarial = attack.run_standard_evaluation(images, labels, batch_size=len(images))
        if not isinstance(adversarial, Tensor):
            adversarial = adversarial[0]
        with torch.no_grad():
            draws = [correct(target(adversarial), labels) for _ in range(20 if stochastic else 1)]
    return float(torch.stack(draws).float().mean())


LAST_ITERATE = {"eps": EPS, "options": {"alpha": EPS / 4, "steps": 10}}
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("clean", {"clean": {}}),
    ("FGSM", {"fgsm": {"eps": EPS}}),
    (
        "torchattacks.PGD-10, last iterate",
        {"torchattacks.PGD": LAST_ITERATE},
    ),
    ("PGD-10", {"pgd": {"eps": EPS, "steps": 10}}),
    ("PGD-50", {"pgd": {"eps": EPS, "steps": 50}}),
    ("MI-FGSM-20", {"attack": {"attack": {"mi_fgsm": {"steps": 20}}, "eps": EPS}}),
    ("APGD-CE-100", {"attack": {"attack": "apgd_ce", "eps": EPS}}),
    ("APGD-T-100", {"attack": {"attack": "apgd_t", "eps": EPS}}),
    ("FAB-T-100", {"attack": {"attack": "fab_t", "eps": EPS}}),
    ("Square-5000", {"attack": {"attack": "square", "eps": EPS}}),
    ("SA-PGD-100, ATan(10)", {"attack": {"attack": "sa_pgd", "eps": EPS, "estimator": {"atan": {"alpha": 10.0}}}}),
    ("SA-PGD-100, ASSG(0.45)", {"attack": {"attack": "sa_pgd", "eps": EPS, "estimator": "assg"}}),
    ("torchattacks.AutoAttack", {"torchattacks.AutoAttack": {"eps": EPS}}),
    ("autoattack (ours)", {"autoattack": {"eps": EPS}}),
    ("**snn_standard**", {"snn_standard": {"eps": EPS}}),
]


def markdown(table: dict[str, dict[str, Any]]) -> str:
    """The table as docs/attacks.md shows it."""
    names = [name for name, _ in ROWS] + ["official AutoAttack"]
    heads = [f"{model} (n = {found['samples']})" for model, found in table.items()]
    lines = [f"| attack | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name in names:
        cells = [f"{100 * found[name]:.1f}" if name in found else "–" for found in table.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Trains, attacks, writes JSON as it goes; with ``--resume``, rows already there are not computed again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--stochastic-samples", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("docs/data/attack_table.json"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--only", nargs="*", default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = digits()
    config = AdversarialConfig(eps=EPS, steps=5, alpha=EPS / 3)
    recipes: dict[str, tuple[Callable[[], nn.Module], AdversarialConfig | None, bool]] = {
        "normal": (ConvLIF, None, False),
        "adversarially trained": (ConvLIF, config, False),
        "stochastic": (lambda: ConvLIF(noise=0.2), None, True),
    }
    table: dict[str, dict[str, Any]] = {}
    if options.resume and options.out.exists():
        table = json.loads(options.out.read_text())
    for name, (build, adversarial, stochastic) in recipes.items():
        if options.only and name not in options.only:
            continue
        torch.manual_seed(0)
        model = build()
        train(model, images[:1300], labels[:1300], 20 if adversarial else 12, adversarial)
        count = options.stochastic_samples if stochastic else options.samples
        test = images[1300 : 1300 + count], labels[1300 : 1300 + count]
        done = table.setdefault(name, {"samples": count})
        for row, entry in ROWS:
            if row in done:
                continue
            begun = time.perf_counter()
            (result,) = evaluate(model, *test, [entry], stochastic=stochastic, batch_size=128)
            done[row] = result.accuracy
            sys.stderr.write(f"{name}: {row}: {result.accuracy:.3f} ({time.perf_counter() - begun:.0f} s)\n")
            if row == "**snn_standard**":
                done |= {"convergence": result.details["convergence"], "stages": result.details["stages"]}
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(table, indent=1) + "\n")
        if "official AutoAttack" not in done:
            done["official AutoAttack"] = official(model, *test, stochastic)
            options.out.write_text(json.dumps(table, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(markdown(table))


if __name__ == "__main__":
    main()
