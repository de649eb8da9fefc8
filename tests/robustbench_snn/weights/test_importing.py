"""Published checkpoints: key layouts written out from the authors' code, and their models computed by hand."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from robustbench_snn.errors import UserError
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.task import Task
from robustbench_snn.weights.importing import import_weights, import_weights_report, save_imported
from robustbench_snn.weights.loading import load_weights

WIDTH, CLASSES = 64, 10
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Shapes(dict[str, tuple[int, ...]]):
    """Names and shapes of a state dict, layer by layer."""

    def bn(self, name: str, channels: int) -> None:
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            self[f"{name}.{leaf}"] = (channels,)
        self[f"{name}.num_batches_tracked"] = ()

    def conv(self, name: str, inputs: int, outputs: int, *kernel: int, bias: bool = False) -> None:
        self[f"{name}.weight"] = (outputs, inputs, *kernel)
        if bias:
            self[f"{name}.bias"] = (outputs,)


def spikformer_shapes(depth: int, imagenet: bool, width: int = WIDTH, classes: int = CLASSES) -> Shapes:
    s, d = Shapes(), width
    channels = (3, d // 8, d // 4, d // 2, d)
    for i in range(4):
        s.conv(f"patch_embed.proj_conv{i or ''}", channels[i], channels[i + 1], 3, 3)
        s.bn(f"patch_embed.proj_bn{i or ''}", channels[i + 1])
    s.conv("patch_embed.rpe_conv", d, d, 3, 3)
    s.bn("patch_embed.rpe_bn", d)
    for j in range(depth):
        for norm in ("norm1", "norm2"):
            s[f"block.{j}.{norm}.weight"] = s[f"block.{j}.{norm}.bias"] = (d,)
        for part in ("q", "k", "v", "proj"):
            if imagenet:
                s.conv(f"block.{j}.attn.{part}_conv", d, d, 1, bias=part == "proj")
            else:
                s.conv(f"block.{j}.attn.{part}_linear", d, d, bias=True)
            s.bn(f"block.{j}.attn.{part}_bn", d)
        for i, (a, b) in enumerate(((d, 4 * d), (4 * d, d)), start=1):
            name = f"block.{j}.mlp.fc{i}"
            s.conv(f"{name}_conv" if imagenet else f"{name}_linear", a, b, *((1, 1) if imagenet else ()), bias=True)
            s.bn(f"{name}_bn", b)
    s.conv("head", d, classes, bias=True)
    return s


def sdt_shapes(depth: int, imagenet: bool, width: int = WIDTH, classes: int = CLASSES) -> Shapes:
    s, d = Shapes(), width
    for name, shape in spikformer_shapes(depth, True, width, classes).items():
        if ".attn." in name and name.endswith("_conv.weight"):
            s[name] = (*shape, 1)  # SDT has Conv2d where Spikformer's ImageNet code has Conv1d
        elif ".norm" not in name:
            s[name] = shape
    for j in range(depth):
        s.conv(f"block.{j}.attn.talking_heads", 8, 8, 1)
    assert s["block.0.attn.q_conv.weight"] == (d, d, 1, 1)
    return s


def spikingformer_shapes(depth: int, imagenet: bool, width: int = WIDTH, classes: int = CLASSES) -> Shapes:
    s, d = Shapes(), width
    channels = (3, d // 8, d // 4, d // 2, d, d)
    for i in range(5):
        stem = f"patch_embed.proj{i or ''}" if imagenet else f"patch_embed.block{i}"
        s.conv(f"{stem}_conv", channels[i], channels[i + 1], 3, 3)
        s.bn(f"{stem}_bn", channels[i + 1])
    for j in range(depth):
        for norm in ("norm1", "norm2"):
            s[f"block.{j}.{norm}.weight"] = s[f"block.{j}.{norm}.bias"] = (d,)
        for part in ("q", "k", "v", "proj"):
            s.conv(f"block.{j}.attn.{part}_conv", d, d, 1, bias=part == "proj")
            s.bn(f"block.{j}.attn.{part}_bn", d)
        for i, (a, b) in enumerate(((d, 4 * d), (4 * d, d)), start=1):
            s.conv(f"block.{j}.mlp.mlp{i}_conv", a, b, 1, 1, bias=True)
            s.bn(f"block.{j}.mlp.mlp{i}_bn", b)
    s.conv("head", d, classes, bias=True)
    return s


def qkformer_shapes(depth: int, imagenet: bool, width: int = WIDTH, classes: int = CLASSES) -> Shapes:
    s, d = Shapes(), width

    def conv_bn(name: str, a: int, b: int, kernel: int = 3) -> None:
        s.conv(f"{name}_conv", a, b, kernel, kernel)
        s.bn(f"{name}_bn", b)

    conv_bn("patch_embed1.proj", 3, d // 8)
    conv_bn("patch_embed1.proj1", d // 8, d // 4)
    if imagenet:
        conv_bn("patch_embed1.proj2", d // 4, d // 4)
    conv_bn("patch_embed1.proj_res", d // 8, d // 4, 1)
    for i, c in ((2, d // 2), (3, d)):
        conv_bn(f"patch_embed{i}.proj3", c // 2, c)
        conv_bn(f"patch_embed{i}.proj4", c, c)
        conv_bn(f"patch_embed{i}.proj_res", c // 2, c, 1)
    counts = (1, 2, depth - 3) if imagenet else (1, 1, depth - 2)
    for stage, (blocks, c) in enumerate(zip(counts, (d // 4, d // 2, d), strict=True), start=1):
        for j in range(blocks):
            last = "attn" if imagenet else "ssa"
            attention = f"stage{stage}.{j}.{last if stage == 3 else 'tssa'}"
            for part in ("q", "k", "v", "proj") if stage == 3 else ("q", "k", "proj"):
                s.conv(f"{attention}.{part}_conv", c, c, 1, bias=part == "proj")
                s.bn(f"{attention}.{part}_bn", c)
            mlp = "fc" if imagenet else "mlp"
            for i, (a, b) in enumerate(((c, 4 * c), (4 * c, c)), start=1):
                s.conv(f"stage{stage}.{j}.mlp.{mlp}{i}_conv", a, b, 1, 1, bias=True)
                s.bn(f"stage{stage}.{j}.mlp.{mlp}{i}_bn", b)
    s.conv("head", d, classes, bias=True)
    return s


SHAPES = {
    "spikformer": spikformer_shapes,
    "sdt": sdt_shapes,
    "spikingformer": spikingformer_shapes,
    "qkformer": qkformer_shapes,
}
HEADS = {"spikformer": 4, "sdt": 8, "spikingformer": 4, "qkformer": 4}
DEPTH = {"spikformer": 2, "sdt": 2, "spikingformer": 2, "qkformer": 4}


def fill(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Values under which every layer fires: lifted batch norms, weights of the size of a trained net's."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            state[name] = 0.5 + values.abs()
        elif len(shape) > 1:
            state[name] = values / math.sqrt(math.prod(shape[1:]))
        elif "_bn" in name and name.endswith("bias"):
            state[name] = 0.8 + 0.3 * values
        else:
            state[name] = 0.3 * values + ("bn" in name and name.endswith("weight"))
    # Values that float32 holds exactly: our model is built in it and widened afterwards.
    return {name: value.float().double() if value.is_floating_point() else value for name, value in state.items()}


class Reference:
    """The authors' forward passes, computed from a state dict with torch's functional ops and loops over time."""

    def __init__(self, state: dict[str, Tensor], heads: int, imagenet: bool) -> None:
        self.p, self.heads, self.imagenet = state, heads, imagenet
        self.rates: list[float] = []

    def lif(self, x: Tensor, threshold: float = 1.0) -> Tensor:
        v, spikes = torch.zeros_like(x[0]), []
        for step in x:
            v = v + (step - v) / 2.0
            spike = (v >= threshold).to(x.dtype)
            v = v * (1 - spike)
            spikes.append(spike)
        self.rates.append(float(torch.stack(spikes).mean()))
        return torch.stack(spikes)

    def cb(self, x: Tensor, name: str, norm: str | None = None, stride: int = 1) -> Tensor:
        """Convolution (or linear layer on maps) and batch norm of maps (T, B, C, H, W)."""
        conv = f"{name}_conv" if norm is None else name
        norm = norm or f"{name}_bn"
        p, flat = self.p, x.flatten(0, 1)
        weight = p[f"{conv}.weight"]
        kernel = 1 if weight.numel() == weight.shape[0] * weight.shape[1] else 3
        weight = weight.reshape(*weight.shape[:2], kernel, kernel)
        y = F.conv2d(flat, weight, p.get(f"{conv}.bias"), stride=stride, padding=weight.shape[-1] // 2)
        stats = (p[f"{norm}.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias"))
        y = F.batch_norm(y, *stats)
        return y.reshape(*x.shape[:2], *y.shape[1:])

    def pool(self, x: Tensor) -> Tensor:
        y = F.max_pool2d(x.flatten(0, 1), 3, 2, 1)
        return y.reshape(*x.shape[:2], *y.shape[1:])

    def split(self, x: Tensor) -> Tensor:
        return x.flatten(3).reshape(*x.shape[:2], self.heads, -1, x[0, 0, 0].numel())  # T B h d N

    def ssa(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        a = torch.einsum("tbhdn,tbhdm->tbhnm", self.split(q), self.split(k))
        return self.lif((torch.einsum("tbhnm,tbhdm->tbhdn", a, self.split(v)) * 0.125).reshape(q.shape), 0.5)

    def spikformer(self, x: Tensor) -> Tensor:
        kind = "conv" if self.imagenet else "linear"
        for i, pool in enumerate((self.imagenet, self.imagenet, True, True)):
            x = self.lif(self.cb(x, f"patch_embed.proj_conv{i or ''}", f"patch_embed.proj_bn{i or ''}"))
            x = self.pool(x) if pool else x
        x = x + self.lif(self.cb(x, "patch_embed.rpe"))
        for j in range(DEPTH["spikformer"]):
            b = f"block.{j}"
            q, k, v = (self.lif(self.cb(x, f"{b}.attn.{n}_{kind}", f"{b}.attn.{n}_bn")) for n in "qkv")
            x = x + self.lif(self.cb(self.ssa(q, k, v), f"{b}.attn.proj_{kind}", f"{b}.attn.proj_bn"))
            y = x
            for i in (1, 2):
                y = self.lif(self.cb(y, f"{b}.mlp.fc{i}_{kind}", f"{b}.mlp.fc{i}_bn"))
            x = x + y
        return self.head(x.flatten(3).mean(3))

    def spikingformer(self, x: Tensor) -> Tensor:
        stem = "patch_embed.proj" if self.imagenet else "patch_embed.block"
        x = self.cb(x, stem if self.imagenet else f"{stem}0")
        for i, pool in enumerate((self.imagenet, self.imagenet, True, True), start=1):
            x = self.lif(x)
            x = self.cb(self.pool(x) if pool else x, f"{stem}{i}")
        for j in range(DEPTH["spikingformer"]):
            b, y = f"block.{j}", self.lif(x)
            q, k, v = (self.lif(self.cb(y, f"{b}.attn.{n}")) for n in "qkv")
            x = x + self.cb(self.ssa(q, k, v), f"{b}.attn.proj")
            x = x + self.cb(self.lif(self.cb(self.lif(x), f"{b}.mlp.mlp1")), f"{b}.mlp.mlp2")
        return self.head(x.flatten(3).mean(3))

    def sdt(self, x: Tensor) -> Tensor:
        for i, pool in enumerate((self.imagenet, self.imagenet, True)):
            x = self.lif(self.cb(x, f"patch_embed.proj_conv{i or ''}", f"patch_embed.proj_bn{i or ''}"))
            x = self.pool(x) if pool else x
        x = self.pool(self.cb(x, "patch_embed.proj_conv3", "patch_embed.proj_bn3"))
        x = x + self.cb(self.lif(x), "patch_embed.rpe")
        for j in range(DEPTH["sdt"]):
            b, y = f"block.{j}", self.lif(x)
            q, k, v = (self.lif(self.cb(y, f"{b}.attn.{n}")) for n in "qkv")
            x = x + self.cb(q * self.lif((k * v).sum((3, 4), keepdim=True), 0.5), f"{b}.attn.proj")
            x = x + self.cb(self.lif(self.cb(self.lif(x), f"{b}.mlp.fc1")), f"{b}.mlp.fc2")
        return self.head(self.lif(x.flatten(3).mean(3)))

    def qkformer(self, x: Tensor) -> Tensor:
        big, none = self.imagenet, lambda y: y
        x = self.lif((self.pool if big else none)(self.cb(x, "patch_embed1.proj")))
        y = self.lif((self.pool if big else none)(self.cb(x, "patch_embed1.proj1")))
        y = self.lif(self.cb(y, "patch_embed1.proj2")) if big else y
        x = y + self.lif(self.cb(x, "patch_embed1.proj_res", stride=2 if big else 1))
        counts = (1, 2, DEPTH["qkformer"] - 3) if big else (1, 1, DEPTH["qkformer"] - 2)
        for stage, blocks in enumerate(counts, start=1):
            if stage > 1:
                e = f"patch_embed{stage}"
                y = self.lif((self.pool if big else none)(self.cb(x, f"{e}.proj3")))
                y = self.lif((none if big else self.pool)(self.cb(y, f"{e}.proj4")))
                x = y + self.lif(self.cb(x, f"{e}.proj_res", stride=2))
            for j in range(blocks):
                b = f"stage{stage}.{j}"
                a = f"{b}.{('attn' if big else 'ssa') if stage == 3 else 'tssa'}"
                q, k = (self.lif(self.cb(x, f"{a}.{n}")) for n in "qk")
                if stage == 3:
                    y = self.ssa(q, k, self.lif(self.cb(x, f"{a}.v")))
                else:
                    y = (self.lif(self.split(q).sum(3, keepdim=True), 0.5) * self.split(k)).reshape(x.shape)
                x = x + self.lif(self.cb(y, f"{a}.proj"))
                y = x
                for i in (1, 2):
                    y = self.lif(self.cb(y, f"{b}.mlp.{'fc' if big else 'mlp'}{i}"))
                x = x + y
        return self.head(x.flatten(3).mean(3))

    def head(self, x: Tensor) -> Tensor:
        return F.linear(x.mean(0), self.p["head.weight"], self.p["head.bias"])


@pytest.mark.parametrize(
    ("name", "imagenet"), [(name, imagenet) for name in SHAPES for imagenet in (False, True)], ids=str
)
def test_computes_what_the_official_model_does(tmp_path: Path, name: str, imagenet: bool) -> None:
    state = fill(SHAPES[name](DEPTH[name], imagenet))
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "w.pth")
    size = 64 if imagenet else 32
    classifier = import_weights(tmp_path / "w.pth", format=name, heads=HEADS[name], timesteps=3, image_size=size)
    classifier = classifier.double()
    images = torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if imagenet else (MEAN, STD)
    # Both in float64 and from the very mean and deviation of the model: no spike may hang on a rounding.
    normed = (images - torch.tensor(mean).double().view(3, 1, 1)) / torch.tensor(std).double().view(3, 1, 1)
    reference = Reference(state, HEADS[name], imagenet)
    expected = getattr(reference, name)(normed.expand(3, *normed.shape))
    assert not classifier.training
    torch.testing.assert_close(classifier(images), expected, rtol=1e-9, atol=1e-9)
    assert min(reference.rates) > 0, "a silent layer would hide a wrong mapping behind it"
    assert len({tuple(row.argsort().tolist()) for row in expected}) > 1 or expected.std() > 0


@pytest.mark.parametrize("name", SHAPES)
def test_left_over_keys_are_reported_on_either_side(tmp_path: Path, name: str) -> None:
    state = fill(SHAPES[name](DEPTH[name], False))
    whole = import_weights_report(_save(tmp_path, state), format=name, heads=HEADS[name])
    assert whole.complete
    idle = {"spikformer": 8, "spikingformer": 8, "sdt": 2, "qkformer": 0}[name]
    assert len(whole.unused) == idle
    assert len(whole.mapped) == len(state) - idle
    removed = next(key for key in state if key.endswith("proj_bn.running_var") and "patch" not in key)
    del state[removed]
    state["surprise.weight"] = torch.zeros(3)
    report = import_weights_report(_save(tmp_path, state), format=name, heads=HEADS[name])
    assert report.unexpected == ("surprise.weight",)
    assert len(report.missing) == 1
    assert report.missing[0].endswith("project.norm.running_var")
    with pytest.raises(UserError, match=r"missing: backbone\..*project.norm.running_var; left over: surprise.weight"):
        import_weights(_save(tmp_path, state), format=name, heads=HEADS[name])


def test_shape_mismatch_names_the_keys(tmp_path: Path) -> None:
    file = _save(tmp_path, fill(spikformer_shapes(1, False)))
    with pytest.raises(UserError, match=r"head.weight is \(10, 64\), the model has \(100, 64\)") as error:
        import_weights(file, format="spikformer", heads=4, classes=100)
    assert "head.bias" in str(error.value)


def test_depth_that_differs_names_the_keys(tmp_path: Path) -> None:
    file = _save(tmp_path, fill(spikformer_shapes(1, False)))
    with pytest.raises(UserError, match=r"missing: backbone.blocks.1.attention.query.linear.weight"):
        import_weights(file, format="spikformer", heads=4, depth=2)


def test_another_format_is_refused(tmp_path: Path) -> None:
    file = _save(tmp_path, fill(qkformer_shapes(4, False)))
    with pytest.raises(UserError, match=r"is no spikformer checkpoint: its keys are patch_embed1\.proj_conv"):
        import_weights(file, format="spikformer")
    with pytest.raises(UserError, match="Did you mean 'qkformer'"):
        import_weights(file, format="qkforme")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_wrappers_and_command_lines_of_timm(tmp_path: Path, wrapper: str | None) -> None:
    state = fill(spikformer_shapes(1, False))
    content = state if wrapper is None else {wrapper: state, "epoch": 3, "args": argparse.Namespace(lr=0.1, aa="rand")}
    torch.save(content, tmp_path / "w.pth.tar")
    assert import_weights_report(tmp_path / "w.pth.tar", heads=4).complete


class Malicious:
    """Would write a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    torch.save({"state_dict": fill(spikformer_shapes(1, False)), "x": Malicious(trap)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="could run code"):
        import_weights(tmp_path / "w.pth")
    assert not trap.exists()


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_truncated_files_are_user_errors(tmp_path: Path, keep: int) -> None:
    file = _save(tmp_path, fill(spikformer_shapes(1, False)))
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"w\.pth"):
        import_weights(file)


def test_missing_file_and_no_state_dict(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        import_weights(tmp_path / "none.pth")
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds no state dict"):
        import_weights(tmp_path / "w.pth")


def test_normalize_false_leaves_mean_and_deviation_out(tmp_path: Path) -> None:
    file = _save(tmp_path, {key: value.float() for key, value in fill(spikformer_shapes(1, False)).items()})
    raw = import_weights(file, heads=4, normalize=False)
    normed = import_weights(file, heads=4)
    images = torch.rand(2, 3, 32, 32)
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    torch.testing.assert_close(raw((images - mean) / std), normed(images))
    assert not torch.equal(raw(images), normed(images))


def test_saved_file_goes_into_a_suite_and_back(tmp_path: Path) -> None:
    file = _save(tmp_path, {key: value.float() for key, value in fill(qkformer_shapes(4, False)).items()})
    facts = save_imported(file, tmp_path / "ours.safetensors", format="qkformer", heads=4)
    assert facts["backbone"]["parameters"]["pool"] == "before"
    task = Task(3, 32, 32, facts["classes"], facts["timesteps"], facts["mean"], facts["std"])
    fresh = direct_classifier(facts["backbone"]["name"], facts["backbone"]["parameters"], task).eval()
    images = torch.rand(2, 3, 32, 32)
    expected = import_weights(file, format="qkformer", heads=4)(images)
    assert not torch.equal(fresh(images), expected)
    assert load_weights(fresh, tmp_path / "ours.safetensors") == json.loads(json.dumps(facts))
    assert torch.equal(fresh(images), expected)


def test_loading_a_damaged_or_foreign_file(tmp_path: Path) -> None:
    task = Task(3, 32, 32, 10, 4, MEAN, STD)
    classifier = direct_classifier("spikformer", {"depth": 1, "width": 64, "heads": 4}, task)
    other = direct_classifier("spikformer", {"depth": 2, "width": 64, "heads": 4}, task)
    file = tmp_path / "ours.safetensors"
    save_imported(_save(tmp_path, fill(spikformer_shapes(1, False))), file, heads=4)
    with pytest.raises(UserError, match=r"missing: backbone.blocks.1.attention.query.linear.weight"):
        load_weights(other, file)
    with pytest.raises(UserError, match="does not exist"):
        load_weights(classifier, tmp_path / "none.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load_weights(classifier, file)


def _save(folder: Path, state: dict[str, Tensor]) -> Path:
    torch.save(state, folder / "w.pth")
    return folder / "w.pth"
