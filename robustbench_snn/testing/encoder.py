"""What every spike encoder must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.encoder import Encoder, FrameEncoder, Stem
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.testing.models import (
    BATCH,
    copy_weights,
    find_encoder,
    kinds_of_data,
    make_task,
    mixed_weights,
    other_device,
    sample_images,
    stir,
)
from robustbench_snn.testing.results import CheckResult, check_component, require

STEPS = range(1, 11)


class EncoderConformance:
    """The checks of an encoder; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name, or the decorated class itself.
        parameters: YAML parameters to build it with.
        channels: C_e, the channels of the spikes.
        timesteps: T at training.
        events: check it on event frames, of which there are as many as the longest run has steps.
    """

    component: ClassVar[str | type[Encoder]]
    parameters: ClassVar[Mapping[str, Any]] = {}
    channels: ClassVar[int] = 16
    timesteps: ClassVar[int] = 4
    events: ClassVar[bool] = False

    def task(self, **sizes: int) -> Task:
        """A small task of the kind of data that is checked."""
        return make_task(timesteps=self.timesteps, frames=STEPS[-1] if self.events else None, **sizes)

    def build(self, task: Task | None = None, *, pool: bool = False, calibrated: bool = True) -> Encoder:
        """A fresh encoder in eval mode, as if trained a little; the same weights every time."""
        task = task or self.task()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            found = find_encoder(self.component)
            encoder: Encoder = found.create(Stem(task, self.channels, pool=pool), **self.parameters)
            if calibrated:
                stir(encoder)
                calibrate(encoder, lambda model: self.encode(model, sample_images(task, 32)))
        return encoder.eval()

    def encode(self, encoder: Encoder, images: Tensor, timesteps: int | None = None, seed: int = 0) -> Tensor:
        """One run from rest, its random streams drawn from the seed."""
        reset(encoder)
        encoder.seed(SampleRandom.for_samples("conformance", seed, sample_ids=range(len(images)), device=images.device))
        spikes: Tensor = encoder(images, self.timesteps if timesteps is None else timesteps)
        return spikes

    def test_shape_and_dtype(self) -> None:
        """Odd sizes, 1 and 3 channels, a batch of one, stems with and without pooling."""
        for channels, height, width, pool, batch in [(3, 8, 8, False, 2), (1, 9, 7, False, 1), (3, 7, 10, True, 2)]:
            task = self.task(channels=channels, height=height, width=width)
            encoder = self.build(task, pool=pool)
            spikes = self.encode(encoder, sample_images(task, batch))
            wanted = (self.timesteps, batch, self.channels, encoder.stem.height, encoder.stem.width)
            what = f"{height}x{width} images ({batch}, {task.channels}, ...){' with a pooling stem' if pool else ''}"
            require(
                tuple(spikes.shape) == wanted, f"{what} gave {tuple(spikes.shape)}, expected (T, B, C, H, W) {wanted}"
            )
            require(spikes.dtype == torch.float32, f"float32 images gave {spikes.dtype}")

    def test_every_timestep(self) -> None:
        """T from 1 to 10 with a model trained at another T, and a phrase for the record that says what happened."""
        encoder = self.build()
        images = sample_images(encoder.stem.task, 2)
        for steps in STEPS:
            try:
                spikes = self.encode(encoder, images, steps)
            except UserError:  # refusing is a defined answer, but not at the T of training
                require(steps != self.timesteps, f"T = {steps} is refused, though trained with it")
                continue
            require(len(spikes) == steps, f"T = {steps} gave {len(spikes)} steps")
            require(bool(torch.isfinite(spikes).all()), f"T = {steps} gave values that are not finite")
            phrase = encoder.overrun(steps)
            require(isinstance(phrase, str) and phrase, f"overrun({steps}) must say in words what happens at that T")

    def test_constant_images(self) -> None:
        """All black and all white are images too."""
        encoder = self.build()
        task = encoder.stem.task
        for value in (0.0, 1.0):
            images = torch.full_like(sample_images(task, 1), value)
            spikes = self.encode(encoder, images)
            require(
                bool(torch.isfinite(spikes).all()), f"an image of constant {value} gives values that are not finite"
            )

    def test_depends_on_the_image(self) -> None:
        """An encoder that never fires, or always, codes nothing."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        same = self.encode(encoder, images[:1].expand_as(images).contiguous())
        require(not torch.equal(self.encode(encoder, images), same), "other images give the same spikes")

    def test_leaves_images_alone(self) -> None:
        """An in-place operation on the input would corrupt an attack's images."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        before = images.clone()
        self.encode(encoder, images)
        require(torch.equal(images, before), "the encoder changed its input in place; work on a copy")

    def test_deterministic_under_a_seed(self) -> None:
        """Same weights, images and streams: same spikes; and nothing drawn from torch's global generator."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        state = torch.get_rng_state()
        first = self.encode(encoder, images)
        drew = not torch.equal(state, torch.get_rng_state())
        require(
            torch.equal(first, self.encode(encoder, images)) and not drew,
            "two runs with the same random streams differ, or torch's global generator was used: draw from "
            "self.random(images) only, and keep no state but that of neurons, which are reset before every run",
        )

    def test_no_memory_between_runs(self) -> None:
        """A reset forgets the images before."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        first = self.encode(encoder, images)
        self.encode(encoder, torch.ones_like(images), seed=1)
        require(torch.equal(first, self.encode(encoder, images)), "what was encoded before shows in the next run")

    def test_independent_of_batch_mates(self) -> None:
        """A sample's spikes depend on its own pixels and its own stream."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        others = torch.cat([images[:1], sample_images(encoder.stem.task, BATCH - 1, seed=1)])
        require(
            torch.equal(self.encode(encoder, images)[:, 0], self.encode(encoder, others)[:, 0]),
            "in eval mode, the spikes of a sample change with the other samples of its batch",
        )

    def test_stochastic_trait(self) -> None:
        """Declared stochastic: other streams, other spikes. Declared deterministic: the same."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        same = torch.equal(self.encode(encoder, images, seed=0), self.encode(encoder, images, seed=1))
        declared = encoder.traits.stochastic
        require(same != declared, f"declared stochastic={declared}, but other streams give "
                f"{'the same' if same else 'other'} spikes; declare stochastic={not declared}")  # fmt: skip

    def test_causal_trait(self) -> None:
        """Declared causal: the first steps of a long run are a short run. Otherwise: somewhere they differ."""
        encoder = self.build()
        images = sample_images(encoder.stem.task)
        *shorter, longest = [steps for steps in STEPS if self._serves(encoder, images, steps)]
        full = self.encode(encoder, images, longest)
        broken = [t for t in shorter if not torch.equal(full[:t], self.encode(encoder, images, t))]
        if encoder.traits.causal:
            require(not broken, f"declared causal=True, but a run of {broken[:1]} steps is no prefix of {longest}; "
                    "declare causal=False")  # fmt: skip
        elif shorter:
            require(broken, f"declared causal=False, but every prefix of {longest} steps equals a run of its own; "
                    "declare causal=True, and one pass serves a whole T-sweep")  # fmt: skip

    def test_spiking_trait(self) -> None:
        """Declared spiking: every value is 0 or 1. Declared real-valued: some are not."""
        encoder = self.build()
        spikes = self.encode(encoder, sample_images(encoder.stem.task))
        binary = bool(((spikes == 0) | (spikes == 1)).all())
        declared = encoder.traits.spiking
        require(binary == declared, f"declared spiking={declared}, but the output is "
                f"{'all 0 and 1' if binary else 'not all 0 and 1'}; declare spiking={not declared}")  # fmt: skip

    def test_input_gradient(self) -> None:
        """The gradient that attacks follow: finite, and not zero for any sample (all zero if declared ``none``)."""
        encoder = self.build()
        gradient = self._gradient(encoder, sample_images(encoder.stem.task))
        require(bool(torch.isfinite(gradient).all()), "the input gradient is not finite")
        alive = (gradient != 0).flatten(1).any(1)
        if encoder.traits.gradient == "none":
            require(not alive.any(), "declared gradient='none', but there is one")
        else:
            require(
                bool(alive.all()),
                "the input gradient is zero: attacks stand still, which looks like robustness and is none. Is the "
                "coding under no_grad, or does it round or compare? See robustbench_snn.model.coding_gradients",
            )

    def test_gradient_trait(self) -> None:
        """Exact: autograd agrees with finite differences. Otherwise: it does not, or ``exact`` is what to declare."""
        encoder = self.build().double()
        images = sample_images(encoder.stem.task, 2).double()
        gradient = self._gradient(encoder, images)
        with torch.no_grad():
            step = 1e-6 * torch.sign(sample_images(encoder.stem.task, 2, seed=1).double() - 0.5)
            weights = mixed_weights(self.encode(encoder, images))
            rise = ((self.encode(encoder, images + step) - self.encode(encoder, images - step)) * weights).sum() / 2
        exact = bool(torch.isclose((gradient * step).sum(), rise, rtol=1e-3, atol=1e-12)) and bool(rise != 0)
        declared = encoder.traits.gradient
        require(exact == (declared == "exact"), f"declared gradient='{declared}', but finite differences "
                f"{'agree' if exact else 'disagree'} with autograd")  # fmt: skip
        if declared == "straight-through" and isinstance(encoder, FrameEncoder):
            slopes = self._frame_slopes(encoder, images)
            require(
                bool(torch.isclose(slopes, slopes.flatten()[0]).all()),
                "declared gradient='straight-through', but the frames' derivative is not the same for all pixels; "
                "if a smooth substitute is differentiated, declare 'bpda'",
            )

    def test_parameters_are_trained(self) -> None:
        """Every parameter gets a gradient from a training step; one that does not is dead weight."""
        encoder = self.build().train()
        named = dict(encoder.named_parameters())
        total = self.encode(encoder, sample_images(encoder.stem.task)).sum()
        gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True) if named else ()
        dead = [name for name, gradient in zip(named, gradients, strict=True) if gradient is None]
        require(not dead, f"no gradient reaches {', '.join(dead)}")

    def test_save_and_load(self) -> None:
        """The weights go through a safetensors file into a fresh encoder that then gives the same spikes."""
        encoder, fresh = self.build(), self.build(calibrated=False)
        with torch.no_grad():
            for parameter in fresh.parameters():
                parameter.add_(1.0)
        copy_weights(encoder, fresh)
        images = sample_images(encoder.stem.task)
        same = torch.equal(self.encode(encoder, images), self.encode(fresh, images))
        require(same, "spikes differ after saving and loading: something that matters is no parameter and no buffer")

    def test_device_move(self) -> None:
        """Moved as a whole, nothing stays behind."""
        device = other_device()
        encoder = self.build().to(device)
        spikes = self.encode(encoder, sample_images(encoder.stem.task).to(device))
        require(spikes.device.type == device.type, f"on {device}, the spikes are on {spikes.device}")

    def _gradient(self, encoder: Encoder, images: Tensor) -> Tensor:
        """d(a weighted sum of the output) / d(images), zeros if the output is cut off from them."""
        images = images.clone().requires_grad_()
        spikes = self.encode(encoder, images)
        total = (spikes * mixed_weights(spikes)).sum()
        if not total.requires_grad:
            return torch.zeros_like(images)
        (gradient,) = torch.autograd.grad(total, images, allow_unused=True)
        return torch.zeros_like(images) if gradient is None else gradient

    def _serves(self, encoder: Encoder, images: Tensor, timesteps: int) -> bool:
        """Whether the encoder runs at this T, rather than refuse it."""
        try:
            self.encode(encoder, images, timesteps)
        except UserError:
            return False
        return True

    def _frame_slopes(self, encoder: FrameEncoder, images: Tensor) -> Tensor:
        """d(sum of all frames) / d(images)."""
        images = images.clone().requires_grad_()
        encoder.seed(SampleRandom.for_samples("conformance", 0, sample_ids=range(len(images))))
        (slopes,) = torch.autograd.grad(encoder.frames(images, self.timesteps).sum(), images)
        return slopes


def check_encoder(component: str | type[Encoder], **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`EncoderConformance`.

    Args:
        component: a registered name, or the decorated class itself.
        **parameters: YAML parameters to build it with.

    Returns:
        One result a check, in alphabetical order, for each kind of data that it declares.
    """
    found = find_encoder(component).declaration
    return [
        result
        for events in kinds_of_data(found.traits.takes)
        for result in check_component(EncoderConformance, "encoder", found.name, parameters, events=events)
    ]
