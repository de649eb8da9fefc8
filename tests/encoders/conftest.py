"""The encoders' tests run on small tensors, where threads cost more than they give."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
