"""Template title: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

from pydantic import PositiveInt

from robustbench_snn.plugins import ActiveSet, Attack, register_attack


@register_attack("template_name", version=1, norms=("linf", "l2"), gradient=True)
class TemplateName(Attack):
    r"""One line for listings: steps along the gradient that shrink from step to step.

    .. math:: x_{k+1} = \Pi\Bigl(x_k + \frac{\epsilon}{k + 1}\, \mathrm{sign} \nabla_x L(x_k, y)\Bigr)

    Args:
        steps: gradient steps.
    """

    steps: PositiveInt = 10

    def run(self, active: ActiveSet) -> None:
        """Asks about one image for each active sample at a time; fooled samples leave, and the others are kept."""
        images = active.clean
        for step in active.steps(self.steps):
            answer = active.gradient(images, "ce")
            (images,) = answer.survivors(images)
            size = active.ball.eps / (step + 1)
            images = active.project(images + size * active.ascent(answer.gradient))
        active.note(images)
