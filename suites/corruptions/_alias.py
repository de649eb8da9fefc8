"""Alias tables: one look-up draws from any finite distribution (Walker 1977, ACM TOMS 3(3))."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def alias_tables(chances: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Builds one table a row, all rows at once.

    To draw, take a cell k uniformly at random; with probability ``keep[k]`` the draw is k, else ``alias[k]``.

    Args:
        chances: (R, K), each row summing to 1.

    Returns:
        keep (R, K) in [0, 1], and alias (R, K), indices 0..K-1.
    """
    rows, cells = chances.shape
    share = chances * cells
    poor = share < 1
    # Cells with less than an equal share first, then the others: each of the former is filled up from the current one
    # of the latter; once that one has less than an equal share itself, the next one takes its place.
    order = np.argsort(~poor, axis=1, kind="stable")
    taker, giver = np.zeros(rows, np.int64), poor.sum(1)
    keep, alias = np.ones((rows, cells)), np.tile(np.arange(cells), (rows, 1))
    index = np.arange(rows)
    end, poor_end = cells - 1, poor.sum(1)
    left = share[index, order[index, np.minimum(giver, end)]]
    for _ in range(cells):
        rich_turn = (left < 1) & (giver < end)
        poor_turn = ~rich_turn & (taker < poor_end) & (giver <= end)
        at = order[index, np.where(rich_turn, np.minimum(giver, end), np.minimum(taker, end))]
        donor = order[index, np.minimum(np.where(rich_turn, giver + 1, giver), end)]
        kept = np.where(rich_turn, left, share[index, at])
        live = rich_turn | poor_turn
        keep[index[live], at[live]] = kept[live]
        alias[index[live], at[live]] = donor[live]
        left = np.where(rich_turn, share[index, donor] - (1 - left), np.where(poor_turn, left - (1 - kept), left))
        giver, taker = giver + rich_turn, taker + poor_turn
    return keep.clip(0, 1), alias
