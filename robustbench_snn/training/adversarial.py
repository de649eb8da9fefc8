"""Training on adversarial images: PGD-AT and TRADES, with any stateless gradient estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, NonNegativeFloat, field_validator
from torch import Tensor, nn

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.estimator.contract import estimating, make
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.target import Target
from robustbench_snn.parameters import Count, Epsilon
from robustbench_snn.randomness import draw
from robustbench_snn.registry.spec import TRAINING, ComponentSpec, EstimatorSpec
from robustbench_snn.strict import Strict

Objective = Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(model, images (B, C, H, W), class probabilities (B, K)) to the loss, a scalar, and logits (B, K), detached."""


def _no_zero(value: object) -> object:
    if str(value).strip() in ("0", "0.0"):
        raise ValueError("eps must be above 0; leave 'adversarial' out for clean training")
    return value


class AdversarialConfig(Strict):
    """Adversarial training.

    Attributes:
        kind: ``pgd`` trains on the adversarial images alone (Madry et al., 2018, arXiv:1706.06083); ``trades`` on the
            clean ones, plus beta times the divergence between the two answers (Zhang et al., 2019, arXiv:1901.08573).
        eps: radius of the ball in pixel units.
        norm: norm of the ball, ``linf`` or ``l2``.
        alpha: step size in pixel units; a quarter of eps if None.
        steps: gradient steps of the inner maximisation.
        random_start: begin at a random point of the ball (TRADES: at a normal deviate of 0.001).
        estimator: the backward pass of the inner maximisation; the outer one keeps the training surrogate.
        beta: weight of the TRADES term.
    """

    kind: Literal["pgd", "trades"] = "pgd"
    eps: Annotated[Epsilon, BeforeValidator(_no_zero)]
    norm: Norm = "linf"
    alpha: Epsilon | None = None
    steps: Count = 7
    random_start: bool = True
    estimator: EstimatorSpec = TRAINING
    beta: NonNegativeFloat = 6.0

    @field_validator("estimator")
    @classmethod
    def _check_estimator(cls, value: ComponentSpec) -> ComponentSpec:
        if make(value).stateful:
            raise ValueError(f"{value.name} adapts over the iterations of one attack and cannot be trained with")
        return value


def adversarial_images(model: nn.Module, images: Tensor, targets: Tensor, config: AdversarialConfig) -> Tensor:
    """The inner maximisation, (B, C, H, W).

    The model is in eval mode meanwhile: batch norm uses its running statistics, and the inner passes do not move
    them. Mode and weights are as before afterwards. Random starts come from torch's global generator.

    Args:
        model: images to logits (B, K).
        images: clean, in [0, 1].
        targets: class probabilities (B, K); TRADES maximises the divergence from the clean answer instead.
        config: the ball, the steps and the estimator of the attack.
    """
    ball = Ball(config.eps, config.norm)
    alpha = config.eps / 4 if config.alpha is None else config.alpha
    target = Target(model)
    clean, current = images.detach(), images.detach()
    if config.random_start:
        noise = 2.0 * _drawn(torch.rand, torch.rand_like, clean) - 1.0
        radii = clean[:, :1, :1, :1]
        wide = ball.ascent(noise) * _drawn(torch.rand, torch.rand_like, radii) if config.norm == "l2" else noise
        small = 0.001 * _drawn(torch.randn, torch.randn_like, clean)
        current = ball.project(clean + (small if config.kind == "trades" else config.eps * wide), clean)
    with target.frozen(), estimating(target, config.estimator):
        with torch.no_grad():
            goal = target(clean).float().softmax(1) if config.kind == "trades" else targets
        for _ in range(config.steps):
            leaf = current.detach().requires_grad_()
            with torch.enable_grad():
                loss = F.kl_div(target(leaf).float().log_softmax(1), goal, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, leaf)
            current = ball.project(current + alpha * ball.ascent(gradient), clean)
    return current.detach()


def _drawn(shaped: Callable[..., Tensor], like: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Random numbers of the images' shape and kind; of a share of a batch, its rows of the whole batch's."""

    def make(count: int, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            return like(images)
        shape = count, *images.shape[1:]
        return shaped(shape, generator=generator, dtype=images.dtype, device=images.device)

    return draw(make, len(images), images.device)


def adversarial_objective(config: AdversarialConfig, clean: Objective) -> Objective:
    """What adversarial training makes of a training objective.

    Args:
        config: PGD-AT or TRADES.
        clean: the objective on given images.
    """

    def objective(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        adversarial = adversarial_images(model, images, targets, config)
        if config.kind == "pgd":
            return clean(model, adversarial, targets)
        loss, logits = clean(model, images, targets)
        answers = _logits(model, images).float().softmax(1)
        divergence = F.kl_div(_logits(model, adversarial).float().log_softmax(1), answers, reduction="batchmean")
        return loss + config.beta * divergence, logits

    return objective


def adversarial_loss(model: nn.Module, images: Tensor, labels: Tensor, config: AdversarialConfig) -> Tensor:
    """The adversarial training loss of any module, with cross-entropy; call ``backward`` on it.

    Args:
        model: images (B, C, H, W) in [0, 1] to logits (B, K), in train mode; it need not reset itself.
        images: clean, in [0, 1].
        labels: int64 (B,).
        config: PGD-AT or TRADES.
    """

    def plain(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = _logits(model, images)
        return F.cross_entropy(logits.float(), targets), logits.detach()

    with torch.no_grad():
        was_training = model.training
        model.eval()
        classes = _logits(model, images[:1]).shape[1]
        model.train(was_training)
    return adversarial_objective(config, plain)(model, images, F.one_hot(labels, classes).float())[0]


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    reset(model)
    logits: Tensor = model(images)
    return logits
