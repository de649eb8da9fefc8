"""The sparse dynamic attack, SDA, over all samples of a batch at once (Lun et al., CVPR 2025, arXiv:2503.03272)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.evaluation.correctness import correct, margin
from robustbench_snn.event_attack.event_set import NONE, EventSet

LARGEST = 1e38
"""Stands for a difference that is not finite: inf marks what is not selected."""


class SparseDynamicAttack:
    """Selects changes by gradient and by what each does alone, until fooled; then takes back what is not needed.

    Step n takes the gradient of the margin, and of the entries not selected yet the k = ``candidates`` (n + 1) that
    promise most (:meth:`Space.ranked`); each is changed alone, and those that do not raise the margin join the
    selection, all of which is changed at once. A sample that is fooled leaves. Then a binary search finds how many of
    its weakest changes, by the size of what each did alone, can be taken back.

    As the authors' code, with these differences. A tie fools, as in all attacks here. The margin is not cut off at 0,
    so that changes which fool alone are ranked too. Frames that fool are kept wherever the attack asks about them,
    also a candidate's, if no fewer changes are found. A sample whose candidates are used up leaves. Counts: see
    :class:`Space`.

    Args:
        active: the samples.
        steps: N; 500 in the authors' code.
        candidates: how many more candidates each step has; 10 in the authors' code.
        cap: selected changes above which a sample is given up; None for no bound, as the authors.
    """

    def __init__(self, active: EventSet, *, steps: int, candidates: int, cap: int | None) -> None:
        self.active, self.steps, self.candidates, self.cap = active, steps, candidates, cap
        self.clean, self.labels = active.clean, active.labels  # of the whole batch: the active set's shrink
        self.frames = active.clean.clone(memory_format=torch.contiguous_format)
        self.effect = torch.full_like(active.clean.flatten(1), torch.inf)
        """(B, D), what each selected change did to the margin alone, without its sign; inf where none is selected."""
        self.fewest = torch.full_like(active.labels, NONE)
        self.kept = active.clean.clone()

    def run(self) -> None:
        """Attacks; see the class."""
        for step in self.active.steps(self.steps):
            self._grow(step)
        self.active.note(self.frames[self.active.rows])
        self._reduce(self.active.fooled.nonzero()[:, 0])
        better = (self.fewest != NONE).nonzero()[:, 0]
        self.active.best[better], self.active.changes[better] = self.kept[better], self.fewest[better]

    def _grow(self, step: int) -> None:
        """One step of all active samples."""
        active = self.active
        answer = active.gradient(self.frames[active.rows], "margin")
        slope, logits = -answer.gradient, answer.logits
        if self.cap is not None:
            within = (self.effect[active.rows].isfinite().sum(1) <= self.cap).nonzero()[:, 0]
            active.keep(within)
            slope, logits = slope[within], logits[within]
        if not len(active):
            return
        rows, frames = active.rows, self.frames[active.rows].flatten(1)
        ways, size = active.space.ranked(frames, slope.flatten(1), active.random.fold("sda", step))
        free = self.effect[rows].isinf()
        promise, chosen = size.masked_fill(~free, -1.0).topk(min(self.candidates * (step + 1), size.shape[1]))
        sample, place = (promise >= 0.0).nonzero(as_tuple=True)
        entry = chosen[sample, place]
        way = ways[sample, entry]
        answers = self._alone(rows, frames, sample, entry, way)
        rise = margin(answers, active.labels[sample]) - margin(logits, active.labels)[sample]
        self._keep_lucky(rows, frames, sample, entry, way, answers)
        joins = ~(rise > 0.0)
        joined = rows[sample[joins]], entry[joins]
        self.frames.flatten(1)[joined] += way[joins]
        self.effect[joined] = rise[joins].abs().nan_to_num(LARGEST, LARGEST)
        new = torch.zeros_like(rows).index_add_(0, sample, joins.long())
        tried = torch.zeros_like(rows).index_add_(0, sample, torch.ones_like(sample))
        active.keep(((new > 0) | (tried < free.sum(1))).nonzero()[:, 0])  # what else is asked would be asked again

    def _alone(self, rows: Tensor, frames: Tensor, sample: Tensor, entry: Tensor, way: Tensor) -> Tensor:
        """Logits (M, K) of each of M changes alone; ``sample`` says of which of the rows."""

        def made(part: slice) -> Tensor:
            images = frames[sample[part]]
            images[torch.arange(len(images), device=images.device), entry[part]] += way[part]
            return images.reshape(-1, *self.clean.shape[1:])

        return self.active.logits(rows[sample], made)

    def _keep_lucky(
        self, rows: Tensor, frames: Tensor, sample: Tensor, entry: Tensor, way: Tensor, answers: Tensor
    ) -> None:
        """Keeps the frames of each sample's first candidate that fools: later ones have more changes."""
        fools = ~correct(answers, self.active.labels[sample]) & (self.fewest[rows[sample]] == NONE)
        sample, entry, way = sample[fools], entry[fools], way[fools]
        first = torch.ones_like(sample, dtype=torch.bool)
        first[1:] = sample[1:] != sample[:-1]
        sample, entry, way = sample[first], entry[first], way[first]
        row = rows[sample]
        self.kept[row] = frames[sample].scatter_add(1, entry[:, None], way[:, None]).reshape(self.kept[row].shape)
        self.fewest[row] = self.effect[row].isfinite().sum(1) + 1

    def _reduce(self, rows: Tensor) -> None:
        """Binary search, in each fooled sample (M,), for how many of its weakest changes can be taken back."""
        weakness = self.effect[rows].argsort(dim=1, stable=True).argsort(1)
        selected = self.effect[rows].isfinite().sum(1)
        back, low, high = torch.zeros_like(selected), torch.ones_like(selected), selected.clone()
        while len(open_ := (low <= high).nonzero()[:, 0]):
            middle = (low[open_] + high[open_]) // 2
            right = self._right_without(rows[open_], weakness[open_], middle)
            wrong = ~right
            back[open_[wrong]], low[open_[wrong]] = middle[wrong], middle[wrong] + 1
            high[open_[right]] = middle[right] - 1
        changes = selected - back
        fewer = ((self.fewest[rows] == NONE) | (changes < self.fewest[rows])).nonzero()[:, 0]
        self.kept[rows[fewer]] = self._without(rows[fewer], weakness[fewer], back[fewer])
        self.fewest[rows[fewer]] = changes[fewer]

    def _right_without(self, rows: Tensor, weakness: Tensor, gone: Tensor) -> Tensor:
        """Whether samples (M,) are right again without so many of their weakest changes, bool (M,)."""

        def made(part: slice) -> Tensor:
            return self._without(rows[part], weakness[part], gone[part])

        return correct(self.active.logits(rows, made), self.labels[rows])

    def _without(self, rows: Tensor, weakness: Tensor, gone: Tensor) -> Tensor:
        """The frames of samples (M,) without so many of their weakest changes; ``weakness`` (M, D) ranks them."""
        clean = self.clean[rows]
        frames = torch.where(weakness < gone[:, None], clean.flatten(1), self.frames[rows].flatten(1))
        return frames.reshape(clean.shape)
