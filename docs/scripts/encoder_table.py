"""Measures every encoder's cost and writes the table of docs/encoders.md, between its two markers.

Run from the root of the repository: ``python docs/scripts/encoder_table.py``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.encoder import Encoder, Stem
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.registry import encoders

PAGE = Path(__file__).resolve().parents[1] / "encoders.md"
MARKERS = "<!-- table: begin -->", "<!-- table: end -->"
TIMESTEPS, CHANNELS, SIZE, BATCH, ROUNDS = 4, 48, 32, 32, 30
STF = "Zheng et al. 2025, [2508.00387](https://arxiv.org/abs/2508.00387)"
FEEL = "Xu et al., NeurIPS 2024"

ROWS = {  # name: (formula, source)
    "direct": ("S[t] = LIF(BN(W x))", "Zhou et al. 2023, [2209.15425](https://arxiv.org/abs/2209.15425)"),
    "stf": ("S[t] = LIF(BN(W x) + P[t] + BN(W_f S[t-1])), W_f 3x3", f"{STF}, arch 4"),
    "stf_kernel1": ("the same, W_f 1x1", STF),
    "stf_arch1": ("S[t] = LIF(BN(W (x + BN(W_f S[t-1]))) + P[t])", f"{STF}, arch 1"),
    "stf_arch2": ("S[t] = LIF(BN(W (x + P[t] + BN(W_f S[t-1]))))", f"{STF}, arch 2"),
    "stf_arch3": ("S[t] = LIF(BN(W (x + P[t])) + BN(W_f S[t-1]))", f"{STF}, arch 3"),
    "stf_arch5": ("S[t] = LIF(BN(W x) + BN(W_f S[t-1]))", f"{STF}, arch 5"),
    "stf_lif": ("as stf, LIF after BN(W_f S[t-1])", STF),
    "per_step_bias": ("S[t] = LIF(BN(W x) + E[t])", f"{STF}, ablation"),
    "imp_encoder": ("direct, the encoder's V[-1] = v0, learnable", "Shen et al., NeurIPS 2024"),
    "imp": ("direct, the backbone's V[-1] = v0, learnable", "Shen et al., NeurIPS 2024"),
    "gac": ("sigmoid(TA · SCA) ⊙ LIF(u), u = BN(W x)", "Qiu et al., AAAI 2024"),
    "fe": ("frame[t] = abs(IFFT2(M[t] ⊙ FFT2 x)), M[t] shrinks", FEEL),
    "el": ("H[t] = λ[t] ⊙ V[t-1] + BN(W x)", FEEL),
    "feel": ("fe and el", FEEL),
    "rsc": ("frame[t] = x + σ ε[t], ε[t] ~ N(0, I)", "[2407.20099](https://arxiv.org/abs/2407.20099)"),
    "rate": ("frame[t] ~ Bernoulli(x)", "classical (Poisson coding)"),
    "signed_rate": ("y = 2x - 1, frame[t] = sign(y) Bernoulli(abs y)", "classical"),
    "ttfs": ("frame[t] = [t = round((T-1)(1-x))]", "classical (latency coding)"),
    "ttfs_log": ("frame[t] = [t = round(T-1 - ln(αx+1))], α = e^(T-1) - 1", "classical (latency coding)"),
    "phase": ("frame[t] = 2^-(t+1) · bit t+1 of x", "Kim et al. 2018, Neurocomputing 311"),
    "burst": ("frame[t] = [t = k I, k < N], N = ceil(5x), I = ceil(T - (T-2)x)", "classical"),
    "sigma_delta": ("e += x - θ s, s = [e ≥ θ]", "classical (deterministic rate)"),
}


@dataclass(frozen=True)
class Cost:
    """What one encoder costs, for one image and T steps."""

    parameters: int
    macs: float
    acs: float
    seconds: float


def build(name: str) -> Encoder:
    """An untrained encoder whose neurons fire."""
    torch.manual_seed(0)
    task = Task(3, SIZE, SIZE, 10, TIMESTEPS, (0.5,) * 3, (0.25,) * 3)
    encoder: Encoder = encoders.create(name, Stem(task, CHANNELS))
    return calibrate(encoder, lambda model: model(pixels(), TIMESTEPS))


def pixels() -> Tensor:
    """Uniform random images, the same on every call."""
    return torch.rand(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def operations(encoder: Encoder) -> tuple[float, float]:
    """Multiply-accumulates with real-valued input, and those whose input is -1, 0 or 1, in millions an image."""
    counts = {True: 0, False: 0}

    def count(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ternary = bool(((inputs[0] == 0) | (inputs[0].abs() == 1)).all())
        counts[ternary] += output.numel() * module.weight[0].numel()

    layers = [module for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    reset(encoder)
    encoder(pixels(), TIMESTEPS)
    for handle in handles:
        handle.remove()
    return counts[False] / BATCH / 1e6, counts[True] / BATCH / 1e6


def seconds(models: dict[str, Encoder]) -> dict[str, float]:
    """Fastest run of each in CPU time; rounds take turns, so that a busy minute hits all alike."""
    images, fastest = pixels(), dict.fromkeys(models, float("inf"))
    for _ in range(ROUNDS):
        for name, encoder in models.items():
            reset(encoder)
            start = time.process_time()
            encoder(images, TIMESTEPS)
            fastest[name] = min(fastest[name], time.process_time() - start)
    return fastest


def measure() -> dict[str, Cost]:
    """Every row's cost."""
    models = {name: build(name) for name in ROWS}
    with torch.no_grad():
        times = seconds(models)
        return {
            name: Cost(sum(p.numel() for p in encoder.parameters()), *operations(encoder), times[name])
            for name, encoder in models.items()
        }


def row(name: str, cost: Cost, base: Cost) -> str:
    """One line of the table."""
    formula, source = ROWS[name]
    traits = encoders.declaration(name).traits
    marks = [
        "stochastic" if traits.stochastic else "deterministic",
        "causal" if traits.causal else "not causal",
        traits.gradient,
        *([] if traits.spiking else ["real-valued"]),
    ]
    cells = [
        f"[`{name}`](gallery/README.md#{name})",
        formula,
        f"{cost.parameters - base.parameters:,}",
        f"{cost.macs:.2f}",
        f"{cost.acs:.2f}",
        f"{cost.seconds / base.seconds:.1f}",
        ", ".join(marks),
        source,
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measures and rewrites the block between the markers."""
    torch.set_num_threads(1)
    measured = measure()
    base = measured["direct"]
    lines = [
        "| encoder | formula | parameters added | MACs, M | ACs, M | time / direct | traits | source |",
        "|---|---|--:|--:|--:|--:|---|---|",
        *(row(name, cost, base) for name, cost in measured.items()),
    ]
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(MARKERS[0])[0], text.split(MARKERS[1])[1]
    PAGE.write_text("\n".join([before + MARKERS[0], *lines, MARKERS[1] + after]), encoding="utf-8")
    print(f"wrote {len(ROWS)} rows to {PAGE}; direct took {1e3 * base.seconds:.1f} ms a batch of {BATCH}")


if __name__ == "__main__":
    main()
