"""Square: random search with squares (Andriushchenko et al., 2020, arXiv:1912.00049)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.attacking.active import ActiveSet
from robustbench_snn.attacking.attack import Attack, register_attack
from robustbench_snn.attacking.rows import Rows
from robustbench_snn.errors import UserError
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.scoring import margin

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries, out of 10,000, at which the squares' area is halved."""


@register_attack("square", version=1, norms=("linf",), gradient=False)
class Square(Attack):
    """Black-box: sets a random square of each channel to +eps or -eps, and keeps what lowers the margin.

    Needs no gradient, so that masking one cannot help against it. Begins with vertical stripes.

    Args:
        queries: forward passes a sample; AutoAttack takes 5,000.
        area: share of the image that the first squares cover.
    """

    def __init__(
        self,
        *,
        queries: Annotated[int, Field(ge=1)] = 5000,
        area: Annotated[float, Field(gt=0, le=1)] = 0.8,
    ) -> None:
        self.queries = queries
        self.area = area

    def run(self, active: ActiveSet) -> None:
        """One proposal a query, taken where the margin falls.

        Raises:
            UserError: in L2, for which it is not implemented here.
        """
        if active.ball.norm != "linf":
            raise UserError("square is implemented for norm linf; in L2 leave it out")
        _, channels, _, width = active.clean.shape
        stripes = active.random.fold("stripes").signs(channels, 1, width)
        images = active.project(active.clean + active.ball.eps * stripes)
        look = active.note(images)
        (images,) = look.survivors(images)
        state = Rows(images=images, best=margin(look.logits, active.labels), query=torch.ones_like(active.labels))
        while len(active) and int(state.query.min()) < self.queries:
            self._round(active, state)

    def _round(self, active: ActiveSet, state: Rows) -> None:
        """Looks at the next proposals of each sample, and takes the first that lowers its margin.

        How many are looked at ahead changes the time and never the outcome: proposals after the one taken are
        forgotten, and made anew from the image that they would have found.
        """
        depth = 1 if active.target.stochastic else max(min(active.batch_size // len(active), 64), 1)
        proposals = torch.stack([self._proposal(active, state, ahead) for ahead in range(depth)], 1)
        if active.target.stochastic:
            look = active.note(proposals[:, 0])
            state.cut(look.kept)
            _take(state, proposals[look.kept, 0], margin(look.logits, active.labels), torch.ones_like(state.query))
            return
        logits = active.ahead(proposals)
        samples, _, classes = logits.shape
        labels = active.labels.repeat_interleave(depth)
        values = margin(logits.reshape(-1, classes), labels).reshape(samples, depth)
        allowed = state.query[:, None] + torch.arange(depth, device=values.device) < self.queries
        lower = (values < state.best[:, None]) & allowed
        used = torch.where(lower.any(1), lower.int().argmax(1) + 1, allowed.sum(1))
        rows, chosen = torch.arange(samples, device=values.device), (used - 1).clamp_min(0)
        spent = used > 0
        images = torch.where(spent.reshape(-1, 1, 1, 1), proposals[rows, chosen], state.images)
        kept = active.take(images, logits[rows, chosen], used)
        found, value, lowered = images[kept], values[rows, chosen][kept], (spent & lower.any(1))[kept]
        state.cut(kept)
        _take(state, found, torch.where(lowered, value, torch.inf), used[kept])

    def _proposal(self, active: ActiveSet, state: Rows, ahead: int) -> Tensor:
        """The image that query number ``state.query + ahead`` tries, for each sample."""
        _, channels, height, width = active.clean.shape
        query = state.query + ahead
        random = SampleRandom.for_samples("square", sample_ids=active.random.keys ^ query, device=query.device)
        share = self.area / 2.0 ** (query[:, None] * 10_000 / self.queries > self._limits(query)).sum(1)
        side = (share * height * width).sqrt().round().long().clamp(1, min(height, width))
        signs = random.fold("sign").signs(channels, 1, 1)
        return active.project(
            torch.where(squares(random, height, width, side), active.clean + active.ball.eps * signs, state.images)
        )

    @staticmethod
    def _limits(query: Tensor) -> Tensor:
        return torch.tensor(HALVINGS, device=query.device)


def _take(state: Rows, images: Tensor, values: Tensor, used: Tensor) -> None:
    """Moves to the images whose margin is lower, and counts the queries."""
    lower = values < state.best
    state.images = torch.where(lower.reshape(-1, 1, 1, 1), images, state.images)
    state.best = torch.where(lower, values, state.best)
    state.query = state.query + used


def squares(random: SampleRandom, height: int, width: int, side: Tensor) -> Tensor:
    """A random square of each sample's side (B,) in each image, bool (B, 1, H, W)."""
    side = side.reshape(-1, 1, 1, 1)
    top = (random.fold("top").uniform(1, 1, 1) * (height - side + 1)).long()
    left = (random.fold("left").uniform(1, 1, 1) * (width - side + 1)).long()
    row = torch.arange(height, device=side.device).reshape(1, 1, -1, 1)
    column = torch.arange(width, device=side.device).reshape(1, 1, 1, -1)
    return (row >= top) & (row < top + side) & (column >= left) & (column < left + side)
