"""The smallest suite that trains and evaluates: one model, one epoch, twenty digits."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "name": "tiny",
    "dataset": {"name": "digits", "limit": 20, "train_limit": 64},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 1, "batch_size": 32},
    "models": [{"name": "direct", "encoder": "direct"}],
    "evaluations": ["clean"],
}
