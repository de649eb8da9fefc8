"""Training: it learns, it repeats itself to the bit, it survives kill -9, and it says why it stops."""

from __future__ import annotations

import copy
import json
import logging
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.dataset import Dataset, load_dataset
from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.kernels.layer import run
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.training import Recipe, TrainingError, TrainResult, check_trainable, resolve_recipe, train
from robustbench_snn.weights.tensors import tensor_digest

RECIPE = Recipe(
    epochs=4, batch_size=32, lr=0.01, mixup=0.5, mixup_off_epoch=3, randaugment="rand-m9-n1-mstd0.4-inc1",
    random_erasing=0.25, horizontal_flip=0.5, crop_padding=1, label_smoothing=0.1, weight_decay=0.01, warmup_epochs=1,
)  # fmt: skip
Build = Callable[..., Classifier]


def numbers(result: TrainResult) -> list[dict[str, Any]]:
    return [record.model_dump(exclude={"seconds"}) for record in result.history]


class StopAfter:
    """Raises at the end of an epoch's last batch but one, before its checkpoint."""

    def __init__(self, epoch: int) -> None:
        self.stop = epoch

    def batch(self, epoch: int, epochs: int, batch: int, batches: int, images_per_second: float) -> None:
        if epoch == self.stop and batch == batches - 1:
            raise KeyboardInterrupt

    def epoch(self, *facts: float) -> None:
        pass


def test_kernels_change_no_weight(build: Build, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fused, own = build(), build()
    calls = 0

    def counted(*values: Any) -> Any:
        nonlocal calls
        calls += 1
        return run(*values)

    monkeypatch.setattr("robustbench_snn.model.fusing.run", counted)
    expected = train(fused, digits, RECIPE, seed=7)
    assert calls
    monkeypatch.setattr("robustbench_snn.training.trainer.fusing", lambda model: nullcontext())
    assert numbers(train(own, digits, RECIPE, seed=7)) == numbers(expected)
    assert tensor_digest(own.state_dict()) == tensor_digest(fused.state_dict())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_resumed_equals_uninterrupted(build: Build, digits: Dataset, tmp_path: Path, optimizer: Any) -> None:
    recipe = RECIPE.model_copy(update={"optimizer": optimizer})
    whole = build()
    expected = numbers(train(whole, digits, recipe, seed=7))
    broken = build()
    with pytest.raises(KeyboardInterrupt):
        train(broken, digits, recipe, seed=7, checkpoint_dir=tmp_path, progress=StopAfter(3))
    torch.manual_seed(99)  # nothing of the caller's generators may matter
    fresh = build("rate")
    result = train(fresh, digits, recipe, seed=7, checkpoint_dir=tmp_path)
    assert result.resumed_from == 2
    assert numbers(result) == expected
    assert tensor_digest(fresh.state_dict()) == tensor_digest(whole.state_dict())
    assert not fresh.training
    assert not copy.deepcopy(fresh).training  # no membrane holds a graph, which cannot be copied


def test_adversarial_training_is_resumed_too(build: Build, digits: Dataset, tmp_path: Path) -> None:
    recipe = resolve_recipe({"epochs": 2, "batch_size": 32, "adversarial": {"eps": "8/255", "steps": 1}})
    whole, fresh = build(), build()
    train(whole, digits, recipe, seed=0)
    with pytest.raises(KeyboardInterrupt):
        train(build(), digits, recipe, seed=0, checkpoint_dir=tmp_path, progress=StopAfter(2))
    assert train(fresh, digits, recipe, seed=0, checkpoint_dir=tmp_path).resumed_from == 1
    assert tensor_digest(fresh.state_dict()) == tensor_digest(whole.state_dict())


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.dataset import load_dataset
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.training import Recipe, train
from robustbench_snn.weights.tensors import tensor_digest

class Killer:
    def batch(self, epoch, epochs, batch, batches, speed):
        if sys.argv[2] == "kill" and (epoch, batch) == (2, 2):
            os.kill(os.getpid(), signal.SIGKILL)
    def epoch(self, *facts):
        pass

data = load_dataset("digits", train_limit=96)
torch.manual_seed(0)
backbone = backbones.create("spikformer", data.task(2), depth=1, width=32, heads=2, pooling="1100")
model = Classifier(encoders.create("rate", backbone.stem), backbone, 2)
recipe = Recipe(epochs=3, batch_size=32, lr=0.01, mixup=0.5, randaugment="rand-m9-n1-mstd0.4-inc1", random_erasing=0.5)
result = train(model, data, recipe, seed=3, checkpoint_dir=Path(sys.argv[1]), progress=Killer())
history = [record.model_dump(exclude={"seconds"}) for record in result.history]
print(json.dumps([tensor_digest(model.state_dict()), result.resumed_from, history]))
"""


def test_kill_9_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(folder: str, mode: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / folder), mode]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path / "whole"), "run"])
    exec(SCRIPT, {})
    whole = capsys.readouterr().out
    assert run("broken", "kill").returncode == -9
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["epoch-00001.safetensors"]
    resumed = run("broken", "run")
    assert resumed.returncode == 0, resumed.stderr
    digest, resumed_from, history = json.loads(resumed.stdout)
    assert resumed_from == 1
    assert [digest, history] == json.loads(whole)[::2]


def test_it_learns(build: Build) -> None:
    model = build("direct")
    data = load_dataset("digits")
    result = train(model, data, Recipe(epochs=6, batch_size=32, lr=0.02, schedule_by="batch"), seed=0)
    accuracy = (model(data.test.images(torch.arange(400))).argmax(1) == data.test.labels).float().mean()
    assert accuracy > 0.85
    assert result.history[-1].loss < result.history[0].loss
    assert result.history[-1].images == 1197 // 32 * 32
    assert result.images_per_second > 0


def test_seeds_differ_and_generators_are_put_back(build: Build, digits: Dataset) -> None:
    digests = []
    for seed in (0, 0, 1):
        torch.manual_seed(5), np.random.seed(5), random.seed(5)
        model = build()
        torch.manual_seed(5)
        train(model, digits, RECIPE.model_copy(update={"epochs": 2}), seed=seed)
        digests.append(tensor_digest(model.state_dict()))
        drawn = (torch.rand(1).item(), np.random.rand(), random.random())
        torch.manual_seed(5), np.random.seed(5), random.seed(5)
        assert drawn == (torch.rand(1).item(), np.random.rand(), random.random())
    assert digests[0] == digests[1] != digests[2]


def test_a_finished_training_is_not_done_again(build: Build, digits: Dataset, tmp_path: Path) -> None:
    first, second = build(), build()
    done = train(first, digits, RECIPE, seed=0, checkpoint_dir=tmp_path)
    again = train(second, digits, RECIPE, seed=0, checkpoint_dir=tmp_path)
    assert again.resumed_from == RECIPE.total_epochs
    assert again.history == done.history
    assert tensor_digest(first.state_dict()) == tensor_digest(second.state_dict())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-00003.safetensors", "epoch-00004.safetensors"]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    build: Build, digits: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = build()
    expected = train(whole, digits, RECIPE, seed=0, checkpoint_dir=tmp_path)
    newest, older = (tmp_path / f"epoch-0000{n}.safetensors" for n in (4, 3))
    content = newest.read_bytes()
    for damage in (content[: len(content) // 2], b"", content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]):
        newest.write_bytes(damage)
        fresh = build()
        with caplog.at_level(logging.WARNING):
            result = train(fresh, digits, RECIPE, seed=0, checkpoint_dir=tmp_path)
        assert result.resumed_from == 3
        assert "epoch-00004.safetensors" in caplog.text
        assert numbers(result) == numbers(expected)
        assert tensor_digest(fresh.state_dict()) == tensor_digest(whole.state_dict())
    newest.write_bytes(b"")
    older.write_bytes(b"")
    with pytest.raises(StoreError, match=r"no checkpoint in .* is whole"):
        train(build(), digits, RECIPE, seed=0, checkpoint_dir=tmp_path)


def test_a_checkpoint_of_another_training_is_refused(build: Build, digits: Dataset, tmp_path: Path) -> None:
    train(build(), digits, RECIPE, seed=0, checkpoint_dir=tmp_path)
    with pytest.raises(StoreError, match="of another training"):
        train(build(), digits, RECIPE, seed=1, checkpoint_dir=tmp_path)


def test_an_unwritable_folder(build: Build, digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        train(build(), digits, RECIPE, seed=0, checkpoint_dir=tmp_path / "file" / "folder")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops(build: Build, digits: Dataset, tmp_path: Path, value: float) -> None:
    model = build()
    with torch.no_grad():
        head: Any = model.backbone.head
        head.bias.fill_(value)
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 1, batch 1, at learning rate 0\.01; lower"):
        train(model, digits, Recipe(epochs=2, batch_size=32, lr=0.01), seed=0, checkpoint_dir=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_running_out_names_the_batch_size(
    build: Build, digits: Dataset, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(Classifier, "step_logits", fail)
    with pytest.raises(TrainingError, match="batch size 32 and 3 timesteps"):
        train(build(), digits, RECIPE, seed=0)


def test_membranes_that_stay_are_named(build: Build, digits: Dataset) -> None:
    model = build("direct")
    head: Any = model.backbone.head
    kept: list[torch.Tensor] = []

    def leak(module: torch.nn.Module, given: Any, logits: torch.Tensor) -> torch.Tensor:
        kept.append(logits + (kept[-1] if kept else 0.0))
        return kept[-1]

    head.register_forward_hook(leak)
    with pytest.raises(TrainingError, match="keeps something of the batch before, such as membranes"):
        train(model, digits, Recipe(epochs=2, batch_size=32, lr=0.01), seed=0)


def test_other_errors_pass_through(build: Build, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Classifier, "step_logits", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(build(), digits, RECIPE, seed=0)


def test_precision(build: Build, digits: Dataset) -> None:
    with pytest.raises(UserError, match="fp16 needs a CUDA device"):
        train(build(), digits, Recipe(mixed_precision="fp16"), seed=0)
    model = build("direct")
    result = train(model, digits, Recipe(epochs=2, mixed_precision="bf16", batch_size=32), seed=0)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert all(record.loss < 5 for record in result.history)


def test_gradient_clipping_bounds_the_step(build: Build, digits: Dataset) -> None:
    model = build("direct")
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    one = load_dataset("digits", train_limit=32)
    recipe = Recipe(epochs=1, batch_size=32, optimizer="sgd", momentum=0.0, lr=0.5, gradient_clip=1e-3)
    train(model, one, recipe, seed=0)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert 0 < float((after - before).norm()) <= 0.5e-3 * 1.001


@pytest.mark.parametrize(("batch_size", "accumulate"), [(96, 4), (96, 3), (120, 8)])
def test_a_batch_in_parts_is_the_same_step(
    build: Build, digits: Dataset, monkeypatch: pytest.MonkeyPatch, batch_size: int, accumulate: int
) -> None:
    sizes: list[int] = []

    def trained(parts: int) -> Classifier:
        classifier = build("direct")
        for module in list(classifier.modules()):
            for name, child in module.named_children():
                if isinstance(child, torch.nn.modules.batchnorm._BatchNorm):  # its statistics would be of a part
                    setattr(module, name, torch.nn.Identity())
        plain = classifier.step_logits

        def counted(images: torch.Tensor) -> torch.Tensor:
            sizes.append(len(images))
            return plain(images)

        monkeypatch.setattr(classifier, "step_logits", counted)
        recipe = Recipe(epochs=1, batch_size=batch_size, accumulate=parts, optimizer="sgd", lr=1.0, momentum=0.0)
        result = train(classifier, digits, recipe, seed=0)
        losses.append((result.history[0].loss, result.history[0].accuracy))
        return classifier

    losses: list[tuple[float, float]] = []
    whole, parts, before = trained(1), trained(accumulate), build("direct")
    step = min(batch_size, len(digits.train))
    assert sizes[0] == step
    assert sum(sizes[1:]) == step
    assert len(sizes) == 1 + accumulate
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    old = before.state_dict()
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    assert any(not torch.equal(value, old[name]) for name, value in whole.state_dict().items())


def test_progress_is_told(build: Build, digits: Dataset) -> None:
    told: list[tuple[str, tuple[Any, ...]]] = []

    class Watch:
        def batch(self, *facts: Any) -> None:
            told.append(("batch", facts))

        def epoch(self, *facts: Any) -> None:
            told.append(("epoch", facts))

    train(build(), digits, Recipe(epochs=2, batch_size=50), seed=0, progress=Watch())
    assert [kind for kind, _ in told] == ["batch", "batch", "epoch"] * 2
    assert [facts[:4] for kind, facts in told if kind == "batch"] == [
        (1, 2, 1, 2),
        (1, 2, 2, 2),
        (2, 2, 1, 2),
        (2, 2, 2, 2),
    ]
    last = told[-1][1]
    assert last[:2] == (2, 2)
    assert last[5] == 0.0
    assert told[2][1][5] > 0.0


def test_what_a_recipe_does_to_images_is_refused_for_event_frames() -> None:
    events = load_dataset("digits_events", frames=2, train_limit=4)
    recipe = Recipe(mixup=0.5, horizontal_flip=0.5, batch_size=2)
    with pytest.raises(UserError, match="mixup, horizontal_flip of the recipe are for images, and digits_events has"):
        check_trainable(events, recipe, "cpu")
    check_trainable(events, Recipe(batch_size=2), "cpu")
