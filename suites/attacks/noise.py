"""Random noise of the attack's size: the control that every attack must beat."""

from __future__ import annotations

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.parameters import Count


@register_attack("noise", version=1, gradient=False)
class Noise(Attack):
    """Random images of the ball, each looked at once.

    Args:
        tries: images a sample.
    """

    tries: Count = 1

    def run(self, active: ActiveSet) -> None:
        """Draws and looks."""
        for attempt in active.steps(self.tries):
            active.note(active.start("noise", attempt))
