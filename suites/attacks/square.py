"""Square: random search with squares (Andriushchenko et al., 2020, arXiv:1912.00049)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import norms_of_samples
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.rows import Rows
from robustbench_snn.evaluation.correctness import margin
from robustbench_snn.parameters import Count
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.attacks._windows import Window, bumps, shifted

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries, out of 10,000, at which the squares' area is halved."""


@register_attack("square", version=1, gradient=False)
class Square(Attack):
    """Black-box: changes a random square of the image, and keeps what lowers the margin.

    Needs no gradient, so that masking one cannot help against it. In L-infinity it begins with vertical stripes and
    sets squares to +eps or -eps by channel; in L2 it begins with a grid of bumps and shifts the perturbation's norm
    from one square into another.

    Args:
        queries: forward passes a sample; AutoAttack takes 5,000.
        area: share of the image that the first squares cover.
    """

    queries: Count = 5000
    area: Annotated[float, Field(gt=0, le=1)] = 0.8

    def run(self, active: ActiveSet) -> None:
        """One proposal a query, taken where the margin falls."""
        images = _stripes(active) if active.ball.norm == "linf" else _grid(active)
        answer = active.note(images)
        (images,) = answer.survivors(images)
        state = Rows(images=images, best=margin(answer.logits, active.labels), query=torch.ones_like(active.labels))
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
            answer = active.note(proposals[:, 0])
            state.cut(answer.kept)
            _take(state, proposals[answer.kept, 0], margin(answer.logits, active.labels), torch.ones_like(state.query))
            return
        logits = active.ahead(proposals)
        samples, _, classes = logits.shape
        labels = active.labels.repeat_interleave(depth)
        values = margin(logits.reshape(-1, classes), labels).reshape(samples, depth)
        allowed = state.query[:, None] + torch.arange(depth, device=values.device) < self.queries
        broken = ~logits.isfinite().all(2)  # counts as wrong, and has no margin to compare
        lower = ((values < state.best[:, None]) | broken) & allowed
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
        if active.ball.norm == "linf":
            inside = Window.draw(random, height, width, side).inside
            return active.project(torch.where(inside, active.clean + active.ball.eps * signs, state.images))
        side = (side.clamp_min(3) // 2 * 2 + 1).clamp_max(min(height, width))  # odd: a bump has a centre
        window = Window.draw(random, height, width, side)
        pattern = signs * bumps(window.turned(random.fold("turn").uniform(1, 1, 1) < 0.5))
        other = Window.draw(random.fold("other"), height, width, side).inside
        delta = shifted(state.images - active.clean, pattern, window.inside, other, active.ball.eps)
        return active.project(active.clean + delta)

    @staticmethod
    def _limits(query: Tensor) -> Tensor:
        return torch.tensor(HALVINGS, device=query.device)


def _take(state: Rows, images: Tensor, values: Tensor, used: Tensor) -> None:
    """Moves to the images whose margin is lower, and counts the queries."""
    lower = values < state.best
    state.images = torch.where(lower.reshape(-1, 1, 1, 1), images, state.images)
    state.best = torch.where(lower, values, state.best)
    state.query = state.query + used


def _stripes(active: ActiveSet) -> Tensor:
    """Vertical stripes of +eps or -eps by channel."""
    _, channels, _, width = active.clean.shape
    stripes = active.random.fold("stripes").signs(channels, 1, width)
    return active.project(active.clean + active.ball.eps * stripes)


def _grid(active: ActiveSet) -> Tensor:
    """Bumps of a fifth of the image's side, of random signs by channel, of norm eps together."""
    samples, channels, height, width = active.clean.shape
    tile = max(min(height, width) // 5, 1)
    here = torch.arange(tile, device=active.clean.device)
    side = torch.full((1, 1, 1, 1), tile, device=active.clean.device)
    bump = bumps(Window(side, here.reshape(1, 1, -1, 1), here.reshape(1, 1, 1, -1)))
    rows, columns = height // tile, width // tile
    signs = active.random.fold("grid").signs(channels, rows, columns)
    tiles = (signs[..., None, :, None] * bump[..., None, :, None, :]).reshape(
        samples, channels, rows * tile, columns * tile
    )
    delta = torch.nn.functional.pad(tiles, (0, width - columns * tile, 0, height - rows * tile))
    return active.project(active.clean + active.ball.eps * delta / norms_of_samples(delta))
