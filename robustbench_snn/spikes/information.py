r"""Mutual information between timesteps, by two named estimators.

TDFormer (arXiv:2505.15840) shows mutual information between the features of step i and of step j, and publishes no
estimator. Ours are:

- ``plug-in, Miller-Madow`` for spikes: the mutual information of two binary variables from their 2x2 table of
  counts, with the first-order correction of its bias (Miller, 1955; Panzeri and Treves, 1996), neuron by neuron.
- ``Gaussian copula`` for real-valued features (Ince et al., 2017, doi:10.1002/hbm.23471): each variable is replaced by
  the normal quantiles of its ranks, and the mutual information of Gaussians with the resulting covariance is
  returned, with the analytic correction of its bias. A lower bound; exact for Gaussians.

All results are in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def binary_mutual_information(both: Tensor, first: Tensor, second: Tensor, count: int) -> Tensor:
    """Mutual information of pairs of binary variables, from counts.

    Args:
        both: how often both were 1, (...).
        first: how often the first was 1, (...).
        second: how often the second was 1, (...).
        count: number of samples n.

    Returns:
        nats, float64 (...): plug-in with Miller and Madow's correction, not below 0.
    """
    both, first, second = both.double(), first.double(), second.double()
    cells = torch.stack([both, first - both, second - both, count - first - second + both])
    rows = torch.stack([first, count - first])
    columns = torch.stack([second, count - second])
    plug_in = _entropy(rows, count) + _entropy(columns, count) - _entropy(cells, count)
    # Each entropy is underestimated by (occupied bins - 1) / 2n.
    bins = (rows > 0).sum(0) + (columns > 0).sum(0) - (cells > 0).sum(0) - 1
    return (plug_in + bins.double() / (2 * count)).clamp(min=0.0)


def _entropy(counts: Tensor, total: int) -> Tensor:
    entropy: Tensor = torch.special.entr(counts / total).sum(0)
    return entropy


class SpikeInformation:
    """Mutual information between the spikes of a layer at step i and at step j, averaged over its neurons.

    Only counts are kept, so any batching gives the same.
    """

    estimator = "plug-in, Miller-Madow"

    def __init__(self) -> None:
        self._both: Tensor | None = None
        self._count = 0

    def add(self, spikes: Tensor) -> None:
        """Counts a batch, (T, B, ...)."""
        flat = (spikes != 0).flatten(2).to(torch.float32)
        both = torch.einsum("ibn,jbn->ijn", flat, flat).round().to(torch.int64).cpu()  # exact: below 2^24 a batch
        self._both = both if self._both is None else self._both + both
        self._count += spikes.shape[1]

    def matrix(self) -> Tensor:
        """Mean over the neurons, nats, float64 (T, T); the diagonal is the mean entropy."""
        assert self._both is not None, "no spikes were added"
        own = torch.diagonal(self._both, dim1=0, dim2=1).T  # (T, neurons)
        found = binary_mutual_information(self._both, own[:, None], own[None, :], self._count)
        return found.mean(2)


def gaussian_copula_information(x: Tensor, y: Tensor) -> float:
    """Mutual information of two sets of real variables by the Gaussian copula.

    Args:
        x: (N, D).
        y: (N, E), the same N samples.

    Returns:
        nats; infinite if one set is a rising function of the other, 0 if one is constant. Columns that are linear
        combinations of others, as the logits of a few active features are, are left out.

    Raises:
        ValueError: unless N exceeds D + E + 1.
    """
    count = len(x)
    x, y = _independent(copula(x)), _independent(copula(y))
    width, other = x.shape[1], y.shape[1]
    if count <= width + other + 1:
        raise ValueError(f"{count} samples are too few for {width} + {other} variables")
    if not width or not other:
        return 0.0
    covariance = torch.cov(torch.cat([x, y], 1).T)
    together = _log_det(covariance)
    if together is None:
        return math.inf
    apart = [_log_det(covariance[:width, :width]), _log_det(covariance[width:, width:])]
    assert apart[0] is not None
    assert apart[1] is not None  # parts of a matrix that is not singular are not
    biased = (apart[0] + apart[1] - together) / 2
    return max(0.0, biased - (_bias(width, count) + _bias(other, count) - _bias(width + other, count)))


def copula(values: Tensor) -> Tensor:
    """Normal quantiles of the ranks of each column, float64 (N, D); equal values share their mean rank."""
    if not values.shape[1]:
        return values.double()
    columns = []
    for column in values.T.contiguous():
        _, places, counts = torch.unique(column, return_inverse=True, return_counts=True)
        last = counts.cumsum(0).double()
        columns.append((last - (counts - 1) / 2.0)[places])
    ranks = torch.stack(columns, 1)
    quantiles: Tensor = torch.special.ndtri(ranks / (len(values) + 1))
    return quantiles


def _independent(values: Tensor) -> Tensor:
    """The columns, in order, that are no linear combination of those before them: the others tell nothing new.

    A column counts as one when less than 0.1 % of its deviation is left.
    """
    centered = values - values.mean(0)
    basis = centered[:, :0]
    kept = []
    for index, column in enumerate(centered.T):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)  # twice is enough (Kahan and Parlett)
        if float(rest.norm()) > 1e-3 * float(column.norm()) and float(column.norm()) > 1e-9:
            kept.append(index)
            basis = torch.cat([basis, (rest / rest.norm())[:, None]], 1)
    return values[:, kept]


def _log_det(covariance: Tensor) -> float | None:
    """The logarithm of the determinant; None if singular."""
    factor, failed = torch.linalg.cholesky_ex(covariance)
    diagonal = factor.diagonal()
    if int(failed) or float((diagonal / covariance.diagonal().sqrt()).min()) < 1e-6:
        return None
    return float(2.0 * diagonal.log().sum())


def _bias(width: int, count: int) -> float:
    """Bias of the entropy of a Gaussian of that many variables from a sample covariance (Misra et al., 2005)."""
    degrees = torch.arange(1, width + 1, dtype=torch.float64)
    psi = torch.special.digamma((count - degrees) / 2)
    return float(psi.sum() / 2 + width * (math.log(2) - math.log(count - 1)) / 2)
