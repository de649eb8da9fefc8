"""Settings of the whole test session."""

from __future__ import annotations

import torch

# Small tensors gain nothing from threads, and pytest-xdist's workers would fight over the cores.
torch.set_num_threads(1)
