"""Models written down once more, by hand, to hold the encoders against: no code is shared with the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_snn.model.encoder import Encoder, FrameEncoder, Stem
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import encoders


class Heaviside(torch.autograd.Function):
    """Fires at 0 and above; the derivative is that of sigmoid(4u)."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        s = 1 / (1 + torch.exp(-4 * u))
        return grad * 4 * s * (1 - s)


class LIF:
    """tau 2, threshold 1, hard reset to 0, decayed input, detached reset."""

    def __init__(self, v: float | Tensor = 0.0) -> None:
        self.v = v

    def __call__(self, current: Tensor) -> Tensor:
        h = self.v + (current - self.v) / 2
        spike: Tensor = Heaviside.apply(h - 1.0)
        self.v = h * (1 - spike.detach())
        return spike


def batch_norm(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Eval-mode batch norm from its definition."""
    shape = (1, -1, 1, 1)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return (x - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)


def conv_bn(x: Tensor, layers: nn.Sequential) -> Tensor:
    """Convolution and batch norm (and 3x3 max-pool of stride 2 if there is one) from their weights."""
    parts: list[Any] = list(layers)
    convolution, norm, *rest = parts
    if isinstance(convolution, nn.ConvTranspose2d):
        y = F.conv_transpose2d(x, convolution.weight, stride=2)
    else:
        y = F.conv2d(x, convolution.weight, padding=convolution.kernel_size[0] // 2)
    y = batch_norm(y, norm)
    return F.max_pool2d(y, 3, 2, 1) if any(isinstance(layer, nn.MaxPool2d) for layer in rest) else y


def make(
    name: str,
    *,
    channels: int = 3,
    height: int = 8,
    width: int = 8,
    timesteps: int = 4,
    features: int = 16,
    pool: bool = False,
    seed: int = 0,
    **parameters: Any,
) -> Any:
    """A calibrated encoder in float64: random affine batch norms, with statistics of a run on random images.

    Any, because the tests reach into the layers of concrete encoders.
    """
    torch.manual_seed(seed)
    task = Task(channels, height, width, 10, timesteps, (0.4,) * channels, (0.3,) * channels)
    encoder = encoders.create(name, Stem(task, features, pool=pool), **parameters).double()
    encoder.mean.fill_(0.4)  # 0.4 in float64, not the nearest float32
    encoder.std.fill_(0.3)
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.8, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.4)
    run(encoder.train(), torch.rand(16, channels, height, width, dtype=torch.float64), timesteps)
    return encoder.eval()


def run(encoder: Encoder, images: Tensor, timesteps: int, seed: int = 0) -> Tensor:
    """One run from rest under a seed."""
    reset(encoder)
    encoder.seed(SampleRandom.for_samples("test", seed, sample_ids=range(len(images))))
    result: Tensor = encoder(images, timesteps)
    return result


def frames(encoder: FrameEncoder, images: Tensor, timesteps: int, seed: int = 0) -> Tensor:
    """The input frames of a frame encoder under a seed."""
    encoder.seed(SampleRandom.for_samples("test", seed, sample_ids=range(len(images))))
    return encoder.frames(images, timesteps)


def input_gradient(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Gradient of a weighted sum of what the function returns."""
    images = images.clone().requires_grad_()
    out = function(images)
    weights = torch.cos(torch.arange(out.numel(), dtype=out.dtype, device=out.device)).view(out.shape)
    return torch.autograd.grad((out * weights).sum(), images)[0]


def parameters_beyond_direct(name: str, **kwargs: Any) -> int:
    """How many trainable numbers an encoder has more than direct coding."""
    both = [(name, kwargs), ("direct", _stem(kwargs))]
    count: list[int] = [sum(p.numel() for p in make(n, **k).parameters()) for n, k in both]
    return count[0] - count[1]


def _stem(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in kwargs.items() if k in ("channels", "height", "width", "timesteps", "features", "pool")}
