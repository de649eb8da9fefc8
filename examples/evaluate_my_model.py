"""Evaluates a torch module of your own: clean, under attack, under a corruption.

Any module from images (B, C, H, W) in [0, 1] to logits (B, K) will do: a classifier of this package, one built of
SpikingJelly neurons as here, or an ANN.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor, nn

import robustbench_snn

TRAIN, TEST, TIMESTEPS = 1400, 100, 4


class SpikingPerceptron(nn.Module):
    """Two layers of which the hidden one spikes; the logits are the mean over the timesteps."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 128)
        self.neurons = neuron.LIFNode(surrogate_function=surrogate.ATan())
        self.output = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) to logits (B, 10)."""
        current = self.hidden(images.flatten(1))
        return torch.stack([self.output(self.neurons(current)) for _ in range(TIMESTEPS)]).mean(0)


def main() -> None:
    """Trains for a few seconds, then evaluates on the images held out."""
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    model = SpikingPerceptron()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        functional.reset_net(model)
        loss = nn.functional.cross_entropy(model(images[:TRAIN]), labels[:TRAIN])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    held_out = slice(TRAIN, TRAIN + TEST)
    pgd, noise = {"pgd": {"eps": "16/255", "steps": 10}}, {"corruptions": {"types": ["gaussian_noise"]}}
    results = robustbench_snn.evaluate(model, images[held_out], labels[held_out], ["clean", pgd, noise])
    for result in results:
        flags = f", flags: {', '.join(result.flags)}" if result.flags else ""
        print(f"{result.name}: {result.accuracy:.1%} of {TEST} images{flags}")


if __name__ == "__main__":
    main()
