"""Checks and measures on one GPU everything that the docs say of GPUs.

    python docs/scripts/gpu_report.py --cifar10 FOLDER --out gpu.json

FOLDER holds CIFAR-10 as train.parquet and test.parquet. Sections run one after the other, each on its own: one that
fails is reported and the others go on. With ``--device cpu`` small models go the same way, to try the script out.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn import corrupt, evaluate
from robustbench_snn.dataset import Dataset, load_dataset
from robustbench_snn.estimator.contract import estimating
from robustbench_snn.kernels.compiling import Mode, state, using
from robustbench_snn.machine import cpu_name, package_versions, peak_memory
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.neurons import NeuronConfig, implementation
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, corruptions, encoders, estimators
from robustbench_snn.training import resolve_recipe, train

EPS = "2/255"
DEVICE = "cuda"
SMALL = {"depth": 1, "width": 64, "heads": 2}
"""What every transformer becomes on a CPU."""


def build(backbone: str, encoder: str = "direct", timesteps: int = 4, **parameters: Any) -> Classifier:
    """A CIFAR-10 classifier on the GPU."""
    task = Task(3, 32, 32, 10, timesteps, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    torch.manual_seed(0)
    body = backbones.create(backbone, task, **(parameters if DEVICE == "cuda" else parameters | SMALL))
    return Classifier(encoders.create(encoder, body.stem), body, timesteps).to(DEVICE)


class Autocast(nn.Module):
    """A model under mixed precision, as any module that ``evaluate`` takes."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, images: Tensor) -> Tensor:
        """Logits in single precision."""
        with torch.autocast(DEVICE, dtype=self.dtype):
            logits: Tensor = self.model(images).float()
            return logits


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Seconds and peak GPU memory of what happens inside."""
    found: dict[str, float] = {}
    if DEVICE == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    yield found
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    found["seconds"] = time.perf_counter() - begin
    found["peak_memory_mib"] = peak_memory(DEVICE) / 2**20


def environment(_: Any) -> dict[str, Any]:
    """What this was measured on."""
    return {
        "hardware": torch.cuda.get_device_name() if DEVICE == "cuda" else cpu_name(),
        "neurons": implementation(build("spikformer_4_384"), DEVICE),
        "packages": package_versions(),
    }


def training_speed(_: Any) -> dict[str, Any]:
    """Forward and backward images/s at T = 4, batch 128."""
    found: dict[str, Any] = {}
    images, labels = torch.rand(128, 3, 32, 32, device=DEVICE), torch.randint(0, 10, (128,), device=DEVICE)
    for name in ("spikformer_4_384", "tdformer_v1"):
        for compiled in (False, True):
            for precision in ("fp32", "tf32", "bf16", "fp16"):
                model: Any = build(name).train()
                torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
                dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
                label = f"{name} {precision} {'compiled' if compiled else 'eager'}"
                try:
                    run = torch.compile(model) if compiled else model

                    def step(run: Any = run, dtype: Any = dtype) -> None:
                        with torch.autocast(DEVICE, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                            loss = nn.functional.cross_entropy(run(images).float(), labels)
                        loss.backward()

                    for _repeat in range(4):
                        step()
                    with timed() as watch:
                        for _repeat in range(12):
                            step()
                    found[label] = {"images_per_second": round(12 * 128 / watch["seconds"]), **watch}
                except Exception as error:  # a compiler may fail; the other rows still count
                    found[label] = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
                torch.compiler.reset()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return found


def layer_pass(layer: Any, current: Tensor, gradient: Tensor) -> Tensor:
    """Forward and backward pass of a layer of neurons from rest; the spikes."""
    layer.reset()
    spikes: Tensor = layer(current)
    torch.autograd.grad(spikes, current, gradient)
    return spikes.detach()


def neuron_paths(_: Any) -> dict[str, Any]:
    """A layer of LIF, and a gradient of a whole model, on SpikingJelly's own kernels, plain loops and compiled ones."""
    found: dict[str, Any] = {}
    images, labels = torch.rand(128, 3, 32, 32, device=DEVICE), torch.randint(0, 10, (128,), device=DEVICE)
    modes: dict[str, Mode | None] = {"SpikingJelly's own": None, "plain loops": "off", "compiled loops": "auto"}
    for timesteps in (4, 32):
        layer = NeuronConfig().build()
        current = (torch.randn(timesteps, 128, 96, 16, 16, device=DEVICE) + 0.5).requires_grad_()
        gradient = torch.randn_like(current)
        spikes: dict[str, Tensor] = {}
        for name, mode in modes.items():
            with using(mode), fusing(layer, mode is not None):
                for _repeat in range(3):
                    spikes[name] = layer_pass(layer, current, gradient)
                with timed() as watch:
                    for _repeat in range(20):
                        layer_pass(layer, current, gradient)
            same = bool(torch.equal(spikes[name], spikes["SpikingJelly's own"]))
            found[f"layer, T={timesteps}, {name}"] = {"same spikes": same, "state": state(DEVICE), **watch}
    for name, mode in modes.items():
        target = Target(build("spikformer_4_384").eval())
        with using(mode), target.as_it_is() if mode is None else nullcontext():
            found[f"gradient, images/s, {name}"] = gradient_speed(target, images, labels)
    return found


def identity(state: Any) -> dict[str, Any]:
    """Swapping the backward pass leaves the logits as they are, on the GPU too; and batches do not mix."""
    target = Target(state["model"])
    images = state["images"][:64].to(DEVICE)
    found: dict[str, Any] = {}
    with target.frozen(), torch.no_grad():
        plain = target(images)
        for name in estimators:
            try:
                with estimating(target, name):
                    swapped = target(images)
                found[name] = {
                    "equal": bool(torch.equal(plain, swapped)),
                    "largest_difference": float((plain - swapped).abs().max()),
                }
            except Exception as error:
                found[name] = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        apart = torch.cat([target(images[i : i + 8]) for i in range(0, 64, 8)])
        found["batch of 64 against 8 of 8"] = float((plain - apart).abs().max())
    return found


def train_model(state: Any) -> dict[str, Any]:
    """A spikformer_4_384 that has learned something, in mixed precision."""
    dataset: Dataset = state["dataset"]
    model = build("spikformer_4_384")
    recipe = resolve_recipe(
        {
            "epochs": state["epochs"],
            "batch_size": 128,
            "lr": 1e-3,
            "weight_decay": 6e-2,
            "warmup_epochs": 1,
            "schedule_by": "batch",
            "label_smoothing": 0.1,
            "horizontal_flip": 0.5,
            "crop_padding": 4,
            "mixed_precision": "bf16",
        }
    )
    with timed() as watch:
        result = train(model, dataset, recipe, seed=0, device=DEVICE)
    state["model"] = model.eval()
    rows = torch.arange(len(dataset.test))
    state["images"], state["labels"] = dataset.test.images(rows), dataset.test.labels
    clean = evaluate(model, state["images"], state["labels"], ["clean"], batch_size=512)[0]
    return {
        "test_accuracy": clean.accuracy,
        "samples": len(rows),
        "images_per_second": result.images_per_second,
        "history": [epoch.model_dump(mode="json") for epoch in result.history],
        **watch,
    }


def attack_speed(state: Any) -> dict[str, Any]:
    """SA-PGD under ASSG: speed, memory, and whether mixed precision changes the robust accuracy."""
    images, labels = state["images"][: state["samples"]], state["labels"][: state["samples"]]
    found: dict[str, Any] = {}
    variants: dict[str, Callable[[], nn.Module]] = {
        "fp32 eager": lambda: state["model"],
        "bf16 eager": lambda: Autocast(state["model"], torch.bfloat16),
        "fp16 eager": lambda: Autocast(state["model"], torch.float16),
        "fp32 compiled": lambda: Compiled(state["model"]),
        "bf16 compiled": lambda: Autocast(Compiled(state["model"]), torch.bfloat16),
    }
    for name, make in variants.items():
        try:
            model = make()
            entry: Any = {"attack": {"attack": {"sa_pgd": {"steps": 20}}, "eps": EPS, "estimator": "assg"}}
            with timed() as watch:
                result = evaluate(model, images, labels, [entry], batch_size=256)[0]
            passes = float(result.details.get("queries", {}).get("total", 0)) if result.details else 0.0
            found[name] = {
                "robust_accuracy": result.accuracy,
                "clean_accuracy": result.metrics.get("clean_accuracy"),
                "images_per_second": len(images) / watch["seconds"],
                "queries": passes,
                **watch,
            }
            speed = gradient_speed(model, images[:256].to(DEVICE), labels[:256].to(DEVICE))
            found[name] |= {"gradient_passes_per_second": speed}
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        torch.compiler.reset()
    return found


class Compiled(nn.Module):
    """A model behind torch.compile, whose neurons can still be found."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.run = torch.compile(model)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.run(images)
        return logits


def gradient_speed(model: nn.Module | Target, images: Tensor, labels: Tensor) -> float:
    """Images/s of one forward and backward pass to the pixels, weights frozen."""
    target = model if isinstance(model, Target) else Target(model)
    with target.frozen():

        def step() -> None:
            leaf = images.clone().requires_grad_()
            torch.autograd.grad(nn.functional.cross_entropy(target(leaf), labels, reduction="sum"), leaf)

        for _ in range(3):
            step()
        with timed() as watch:
            for _ in range(10):
                step()
    return round(10 * len(images) / watch["seconds"])


def attack_memory(state: Any) -> dict[str, Any]:
    """Peak memory of one gradient of the pixels at T = 4, 8, 16, batch 128."""
    found: dict[str, Any] = {}
    images, labels = state["images"][:128].to(DEVICE), state["labels"][:128].to(DEVICE)
    for timesteps in (4, 8, 16):
        target = Target(build("spikformer_4_384", timesteps=timesteps).eval())
        with target.frozen():
            base = torch.cuda.memory_allocated() / 2**20 if DEVICE == "cuda" else 0.0
            with timed() as watch:
                leaf = images.clone().requires_grad_()
                torch.autograd.grad(nn.functional.cross_entropy(target(leaf), labels), leaf)
            found[f"T={timesteps}"] = {"above_weights_mib": watch["peak_memory_mib"] - base, **watch}
    return found


def standard_set(state: Any) -> dict[str, Any]:
    """The standard SNN attack set on the trained model, few samples."""
    count = state["standard_samples"]
    images, labels = state["images"][:count], state["labels"][:count]
    found: dict[str, Any] = {}
    for entry in ({"pgd": {"eps": EPS, "steps": 10}}, {"snn_standard": {"eps": EPS, "most_steps": 400}}):
        with timed() as watch:
            result = evaluate(state["model"], images, labels, [entry], batch_size=256)[0]
        found[result.name] = {
            "accuracy": result.accuracy,
            "flags": result.flags,
            "details": {k: v for k, v in result.details.items() if k != "curve"},
            **watch,
        }
    return found


def corruption_speed(state: Any) -> dict[str, Any]:
    """Images/s of every corruption on the GPU, beside a small Spikformer's evaluation."""
    images = state["images"][:2048].to(DEVICE)
    count = len(images)
    small = Target(build("spikformer", depth=2, width=128, heads=4).eval())
    found: dict[str, Any] = {}
    with torch.no_grad():
        for _ in range(2):
            small(images[:512])
        with timed() as watch:
            for start in range(0, count, 512):
                small(images[start : start + 512])
        found["small Spikformer, forward"] = round(count / watch["seconds"])
        for name in corruptions:
            try:
                corrupt(images[:512], name, 3)
                with timed() as watch:
                    corrupt(images, name, 3)
                found[name] = round(count / watch["seconds"])
            except Exception as error:
                found[name] = f"{type(error).__name__}: {str(error)[:200]}"
    rates = [rate for name, rate in found.items() if name in corruptions and isinstance(rate, int)]
    found["all types together, images/s"] = round(len(rates) / sum(1 / rate for rate in rates))
    return found


def same_as_cpu(state: Any) -> dict[str, Any]:
    """Corruptions and predictions on the GPU against those on the CPU."""
    images = state["images"][:64]
    found: dict[str, Any] = {}
    for name in corruptions:
        try:
            here, there = corrupt(images, name, 3), corrupt(images.to(DEVICE), name, 3).cpu()
            found[name] = float(((here - there).abs() <= 1.01 / 255).float().mean())
        except Exception as error:
            found[name] = f"{type(error).__name__}: {str(error)[:200]}"
    with torch.no_grad():
        gpu = Target(state["model"])(images.to(DEVICE)).cpu()
        cpu = Target(state["model"].cpu())(images)
        state["model"].to(DEVICE)
    found["predictions that agree"] = float((gpu.argmax(1) == cpu.argmax(1)).float().mean())
    return found


def main() -> None:
    """Runs all sections and writes what they found after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cifar10", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--standard-samples", type=int, default=128)
    parser.add_argument("--train-samples", type=int, default=None)
    parser.add_argument("--test-samples", type=int, default=None)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--skip", nargs="*", default=[])
    arguments = parser.parse_args()
    global DEVICE
    DEVICE = arguments.device
    limits = {"limit": arguments.test_samples, "train_limit": arguments.train_samples}
    state: dict[str, Any] = {
        "dataset": load_dataset("parquet", root=str(arguments.cifar10), **limits),
        "epochs": arguments.epochs,
        "samples": arguments.samples,
        "standard_samples": arguments.standard_samples,
    }
    report: dict[str, Any] = {}
    sections = (
        environment,
        train_model,
        identity,
        neuron_paths,
        attack_speed,
        attack_memory,
        corruption_speed,
        same_as_cpu,
        standard_set,
        training_speed,
    )
    for section in sections:
        if section.__name__ in arguments.skip:
            continue
        begin = time.perf_counter()
        try:
            report[section.__name__] = section(state)
        except Exception:
            report[section.__name__] = {"error": traceback.format_exc()[-1500:]}
        print(f"== {section.__name__}, {time.perf_counter() - begin:.0f} s")
        print(json.dumps(report[section.__name__], default=str)[:2500], flush=True)
        arguments.out.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
