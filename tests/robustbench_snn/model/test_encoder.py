"""The base classes of encoders, their stem and their registration."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.encoder import Encoder, FrameEncoder, PixelCoding, Stem, register_encoder
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import encoders
from robustbench_snn.registry.traits import EncoderTraits
from robustbench_snn.testing.models import make_task

TASK = Task(3, 9, 7, 10, 4, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))


@register_encoder("t_plain", version=3, presets={"t_plain_loud": {"gain": 2.0}})
class Plain(FrameEncoder):
    """Shows the image times a gain."""

    def __init__(self, stem: Stem, *, gain: float = 1.0) -> None:
        super().__init__(stem)
        self.gain = gain
        self.declare(spiking=gain < 5)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        return self.gain * images.expand(timesteps, *images.shape)


@pytest.mark.parametrize(("pool", "height", "width"), [(False, 9, 7), (True, 5, 4)])
def test_stem_sizes_are_those_of_its_layers(pool: bool, height: int, width: int) -> None:
    stem = Stem(TASK, 16, pool=pool)
    drive = stem.conv_bn()(torch.rand(2, 3, 9, 7))
    assert drive.shape == (2, 16, stem.height, stem.width) == (2, 16, height, width)
    assert stem.position_embedding()(4).shape == (4, 16, height, width)
    assert isinstance(stem.conv_bn()[-1], nn.MaxPool2d) == pool
    assert stem.conv_bn()[0].bias is None


def test_normalisation_is_by_channel_and_follows_the_device_but_is_no_weight() -> None:
    encoder = Plain(Stem(TASK, 16))
    ones = torch.ones(2, 3, 9, 7)
    wanted = torch.tensor([0.9 / 0.5, 0.8 / 0.6, 1.0])
    torch.testing.assert_close(encoder.normalize(ones)[0, :, 0, 0], wanted)
    assert not {"mean", "std"} & set(encoder.state_dict())
    assert encoder.to("meta").mean.device.type == "meta"


def test_traits_are_the_class_s_unless_the_instance_corrects_them() -> None:
    assert Plain.traits == EncoderTraits(stochastic=False, causal=True, gradient="surrogate", spiking=True)
    assert not Plain(Stem(TASK, 16), gain=6.0).traits.spiking
    assert Plain.traits.spiking


def test_streams() -> None:
    encoder = Plain(Stem(TASK, 16))
    images = torch.rand(2, 3, 9, 7)
    assert len(encoder.random(images)) == 2  # fresh ones from torch's generator
    streams = SampleRandom.for_samples(0, sample_ids=[1, 2])
    encoder.seed(streams)
    assert torch.equal(encoder.random(images).keys, streams.keys)
    with pytest.raises(ValueError, match="2 random streams for a batch of 3"):
        encoder.random(torch.rand(3, 3, 9, 7))
    encoder.seed(None)
    assert not torch.equal(encoder.random(images).keys, encoder.random(images).keys)


def test_presets_and_versions() -> None:
    loud = encoders.get("t_plain_loud")
    assert loud.declaration.version == 3
    assert loud.validate({}) == {"gain": 2.0}
    assert encoders.create("t_plain_loud", Stem(TASK, 16), gain=3.0).gain == 3.0
    with pytest.raises(UserError, match="Did you mean 'gain'"):
        encoders.create("t_plain", Stem(TASK, 16), gian=1.0)


def test_frames_of_the_wrong_shape_are_caught() -> None:
    @register_encoder("t_wrong_shape", version=1)
    class Wrong(Plain):
        """Forgets a step."""

        def frames(self, images: Tensor, timesteps: int) -> Tensor:
            return super().frames(images, timesteps - 1)

    with pytest.raises(AssertionError):
        Wrong(Stem(TASK, 16))(torch.rand(1, 3, 9, 7), 4)


def test_pixel_coding_keeps_pixels_in_range() -> None:
    @register_encoder("t_floor", version=1, gradient="straight-through")
    class Floor(PixelCoding):
        """Refuses pixels out of range."""

        def __init__(self, stem: Stem) -> None:
            super().__init__(stem, "straight-through", 0.25)

        def code(self, pixels: Tensor, timesteps: int) -> Tensor:
            assert pixels.min() >= 0
            assert pixels.max() <= 1
            return pixels.round().expand(timesteps, *pixels.shape)

    images = torch.tensor([-0.1, 0.4, 1.2]).reshape(1, 1, 1, 3).requires_grad_()
    shown = Floor(Stem(Task(1, 1, 3, 2, 2, (0.0,), (1.0,)), 16)).frames(images, 2)
    assert shown[0].flatten().tolist() == [0, 0, 1]
    (gradient,) = torch.autograd.grad(shown.sum(), images)
    assert gradient.flatten().tolist() == [2, 2, 2]


def test_base_classes_are_abstract() -> None:
    for base in (Encoder, FrameEncoder):
        with pytest.raises(TypeError, match="abstract"):
            base(Stem(TASK, 16))  # type: ignore[abstract]


def test_attach_does_nothing_by_default() -> None:
    backbone = nn.Linear(2, 2)
    assert Plain(Stem(TASK, 16)).attach(backbone) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("name", ["imp", "sigma_delta"])
def test_an_encoder_that_needs_neurons_says_so_to_an_ann(name: str) -> None:
    task = make_task()
    with pytest.raises(UserError, match="needs spiking neurons"):
        encoders.create(name, Stem(task, 16, neuron=NeuronConfig(type="relu")))
