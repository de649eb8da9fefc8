"""Transfer: images that fool one model, tried on another."""

from __future__ import annotations

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.contract import Attack
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.model.target import Target


class Transfer(Attack):
    """Attacks a source model to the end, then shows its best images to the target.

    See Papernot et al., 2016, arXiv:1605.07277.

    Args:
        source: the model that is attacked, frozen.
        attack: how.
    """

    def __init__(self, source: Target, attack: Attack) -> None:
        self.source = source
        self.attack = attack

    def run(self, active: ActiveSet) -> None:
        """One look at the target for each sample."""
        batch = Batch(active.clean, active.labels, active.rows, active.rows)
        inner = ActiveSet(
            self.source,
            batch,
            active.ball,
            active.random.fold("source"),
            batch_size=active.batch_size,
            draws=active.asked_draws,  # the source may be stochastic where the target is not
            leave=False,
        )
        self.attack.run(inner)
        active.note(inner.best)
