"""RayS: hard-label search for the signs of a fooling perturbation (Chen and Gu, 2020, arXiv:2006.12792)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.rows import Rows
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.parameters import Count
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.attacks._windows import Window

RADII = 1024
"""Radii from eps to 1, in geometric steps."""


@register_attack("rays", version=1, gradient=False, norms=("linf",))
class RayS(Attack):
    r"""Black-box, and sees only whether an answer is right: hiding or saturating the logits cannot help against it.

    Looks for signs s whose ray :math:`x + r s`, clipped to [0, 1], is wrong at a small radius r. It flips the signs
    of one block of pixels after another, all of them, halves, quarters, ..., single pixels; keeps a flip that is
    wrong at a smaller radius too, and finds how small by bisection. Radii are
    :math:`r_j = \epsilon^{1 - j / 1024}`, j = 0, 1, ..., 1024: the search ends at eps, where the sample is fooled.

    The paper goes on with single pixels to the end. Here random squares and random sets of pixels follow, once all
    blocks have been tried or a quarter of the queries are spent: they leave minima that no single block does.

    Args:
        queries: forward passes a sample.
    """

    queries: Count = 5000

    def run(self, active: ActiveSet) -> None:
        """A round asks one question of each sample, or several at once where that changes nothing."""
        answer = active.note(active.clean)
        state = Rows(
            logits=answer.logits,
            signs=torch.ones_like(active.clean),
            best=torch.full_like(active.labels, RADII + 1),  # no wrong image is known yet
            flip=torch.zeros_like(active.labels),
            trial=torch.ones_like(active.clean),  # the signs whose radius is being searched for
            low=torch.zeros_like(active.labels),
            high=torch.zeros_like(active.labels),  # low + 1 < high while that search is on
            query=torch.ones_like(active.labels),
        )
        while len(active) and int(state.query.min()) < self.queries:
            self._round(active, state)

    def _round(self, active: ActiveSet, state: Rows) -> None:
        """Asks the next questions; those after the one that decides are forgotten and not charged."""
        depth = 1 if active.target.stochastic else max(min(active.batch_size // len(active), 64), 1)
        searching = state.low + 1 < state.high
        middle = _bisections(state.low, state.high, depth)
        radius = torch.where(searching[:, None], middle, state.best[:, None] - 1)
        flips = _flips(active, state, depth, self.queries)
        signs = torch.where(searching.reshape(-1, 1, 1, 1, 1), state.trial[:, None], flips)
        images = _on_rays(active, signs, radius)
        logits = active.note(images[:, 0]).logits[:, None] if active.target.stochastic else active.ahead(images)
        wrong = ~correct(logits.flatten(0, 1), active.labels.repeat_interleave(depth)).reshape(radius.shape)
        decided, used = self._try(state, flips, wrong, ~searching)
        node, asked = self._search(state, middle, wrong, searching)
        decided, used = torch.where(searching, node, decided), torch.where(searching, asked, used)
        rows = torch.arange(len(used), device=used.device)
        won = (used > 0) & wrong[rows, decided] & (radius[rows, decided] <= 0)
        state.query = torch.where(won, self.queries, state.query + used)
        if active.target.stochastic:
            return  # noted already, and nobody leaves
        found = torch.where(won.reshape(-1, 1, 1, 1), images[rows, decided], active.clean)
        said = torch.where(won[:, None], logits[rows, decided], state.logits)
        state.cut(active.take(found, said, used))

    def _try(self, state: Rows, flips: Tensor, wrong: Tensor, on: Tensor) -> tuple[Tensor, Tensor]:
        """Flips up to the first that is still wrong, for the samples that ``on`` names; its number, and the count."""
        depth = wrong.shape[1]
        rows = torch.arange(len(wrong), device=wrong.device)
        allowed = rows.new_tensor(range(depth)) < (self.queries - state.query)[:, None]
        hit = (wrong & allowed).any(1)
        first = (wrong & allowed).int().argmax(1)
        used = torch.where(hit, first + 1, allowed.sum(1))
        state.flip = torch.where(on, state.flip + used, state.flip)
        taken = on & hit
        state.trial = torch.where(taken.reshape(-1, 1, 1, 1), flips[rows, first], state.trial)
        state.high = torch.where(taken, state.best - 1, state.high)
        state.low = torch.where(taken, -1, state.low)
        self._keep(state, taken)
        return first, used

    def _search(self, state: Rows, middle: Tensor, wrong: Tensor, on: Tensor) -> tuple[Tensor, Tensor]:
        """Bisects, for the samples that ``on`` names; the number of the last question, and their count."""
        rows = torch.arange(len(wrong), device=wrong.device)
        node, last, used = (torch.zeros_like(rows) for _ in range(3))
        for _ in range((middle.shape[1] + 1).bit_length() - 1):
            go = on & (state.low + 1 < state.high) & (state.query + used < self.queries)
            here, smaller = middle[rows, node], wrong[rows, node]
            state.high = torch.where(go & smaller, here, state.high)
            state.low = torch.where(go & ~smaller, here, state.low)
            last, used = torch.where(go, node, last), used + go
            node = torch.where(go, (2 * node + 2 - smaller.long()).clamp_max(middle.shape[1] - 1), node)
        self._keep(state, on)
        return last, used

    @staticmethod
    def _keep(state: Rows, on: Tensor) -> None:
        """The smallest radius known to be wrong, and its signs."""
        state.best = torch.where(on, state.high, state.best)
        state.signs = torch.where(on.reshape(-1, 1, 1, 1), state.trial, state.signs)


def _on_rays(active: ActiveSet, signs: Tensor, radius: Tensor) -> Tensor:
    """The images (n, q, C, H, W) of signs of that shape at the radii of the numbers (n, q)."""
    length = active.ball.eps ** (1.0 - radius.double() / RADII)
    images = active.clean[:, None] + length.float().reshape(*radius.shape, 1, 1, 1) * signs
    return images.clamp(0.0, 1.0)


def _bisections(low: Tensor, high: Tensor, count: int) -> Tensor:
    """What a bisection of (low, high) may ask next, (n, count): a binary tree, its root first.

    The children of number i are 2 i + 1, asked where i was wrong, and 2 i + 2. A new search, low = -1, begins at 0.
    """
    lows, highs, middles = [low], [high], []
    for number in range(count):
        middles.append(torch.where(lows[number] < 0, 0, (lows[number] + highs[number]) // 2))
        if 2 * number + 2 < count:
            lows += [lows[number], middles[number]]
            highs += [middles[number], highs[number]]
        elif 2 * number + 1 < count:
            lows.append(lows[number])
            highs.append(middles[number])
    return torch.stack(middles, 1)


def _flips(active: ActiveSet, state: Rows, depth: int, queries: int) -> Tensor:
    """The next signs to try, (n, depth, C, H, W): none flipped, then block after block, then random pixels."""
    number = state.flip[:, None] + torch.arange(depth, device=state.flip.device)
    pixels = active.clean[0].numel()
    level = torch.frexp(number.clamp_min(1).double()).exponent.long() - 1
    blocks = (2**level).clamp_max(pixels)[..., None]
    places = torch.arange(pixels, device=number.device) * blocks // pixels
    block = (places == (number - 2**level)[..., None]) & (number > 0)[..., None]
    last = _last(pixels, queries)
    flipped = block.reshape(*number.shape, *active.clean.shape[1:])
    if int(number.max()) > last:
        swept = (number > last).reshape(*number.shape, 1, 1, 1)
        flipped = torch.where(swept, _random(active, number), flipped)
    return state.signs[:, None] * (1.0 - 2.0 * flipped.float())


def _last(pixels: int, queries: int) -> int:
    """The number of the sweep's last block: of the single pixels, or of a level that a quarter of the queries allow."""
    levels = (pixels - 1).bit_length()
    if (1 << levels) + pixels <= queries // 4:
        return (1 << levels) + pixels - 1
    return (1 << max(min((queries // 4 + 1).bit_length() - 1, levels), 1)) - 1


def _random(active: ActiveSet, number: Tensor) -> Tensor:
    """A square, or three single pixels on average, of each sample (n, q, C, H, W), for flips of these numbers."""
    _, channels, height, width = active.clean.shape
    keys = (active.random.keys[:, None] ^ number).flatten()
    random = SampleRandom.for_samples("rays", sample_ids=keys, device=number.device)
    side = 1 + random.fold("side").integers(max(min(height, width) // 2, 1))
    square = Window.draw(random, height, width, side).inside
    spots = random.fold("pixels").uniform(channels, height, width) < 3.0 / (channels * height * width)
    chosen = torch.where(random.fold("choice").uniform(1, 1, 1) < 0.5, square, spots)
    return chosen.reshape(*number.shape, channels, height, width)
