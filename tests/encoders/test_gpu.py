"""On a GPU, with whatever kernels SpikingJelly picks there, encoders do what they do on the CPU."""

from __future__ import annotations

import pytest
import torch

from robustbench_snn.registry.data_kind import takers
from robustbench_snn.testing.encoder import EncoderConformance
from robustbench_snn.testing.models import sample_images
from tests.encoders.handwritten import input_gradient

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("name", takers("encoders", events=False))
def test_spikes_and_gradient_agree_with_the_cpu(name: str) -> None:
    suite = type("Checks", (EncoderConformance,), {"component": name})()
    encoder = suite.build()
    images = sample_images(encoder.stem.task)
    spikes, gradient = suite.encode(encoder, images), input_gradient(lambda x: suite.encode(encoder, x), images)
    encoder = encoder.cuda()
    on_gpu = suite.encode(encoder, images.cuda()).cpu()
    # a membrane within rounding of its threshold may fall on either side, and every later step follows
    assert (torch.isclose(spikes, on_gpu, atol=1e-5)).float().mean() > 0.999
    gradient_on_gpu = input_gradient(lambda x: suite.encode(encoder, x), images.cuda()).cpu()
    direction = torch.nn.functional.cosine_similarity(gradient.flatten(), gradient_on_gpu.flatten(), dim=0)
    assert direction > 0.99
