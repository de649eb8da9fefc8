"""AutoAttack: four attacks without parameters to tune (Croce, Hein, 2020, arXiv:2003.01690)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.standard_set import Member
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.registry.spec import named_in

_CE = {"steps": 100, "loss": "plain_ce"}  # the authors' loss, so that its numbers stand beside theirs
_APGD_CE = Member("apgd_ce-100", "apgd_ce", _CE)
_APGD_T = Member("apgd_t-100", "apgd_t", {"steps": 100})
_FAB_T = Member("fab_t-100", "fab_t", {"steps": 100})
_SQUARE = Member("square-5000", "square", {"queries": 5000})

VERSIONS = {
    "standard": (_APGD_CE, _APGD_T, _FAB_T, _SQUARE),
    "plus": (
        Member("apgd_ce-100 x5", "apgd_ce", {**_CE, "restarts": 5}),
        Member("apgd_dlr-100 x5", "apgd_dlr", {"steps": 100, "restarts": 5}),
        _APGD_T,
        _FAB_T,
        _SQUARE,
    ),
    "rand": (
        _APGD_CE,
        Member("apgd_dlr-100", "apgd_dlr", {"steps": 100}),
    ),
}


@register_evaluation("autoattack", version=2)
class AutoAttack(AttackEvaluation):
    """AutoAttack's cascade with this package's members, under the training surrogate.

    ``standard``: APGD-CE, APGD-T, FAB-T, 100 iterations each, Square with 5,000 queries; ``plus``: five restarts of
    APGD-CE and APGD-DLR before the rest (FAB untargeted is left out); ``rand``, for stochastic models: APGD-CE and
    APGD-DLR with EOT. APGD-CE keeps the authors' plain cross-entropy. On SNNs this is an upper bound: see
    ``snn_standard``.

    Args:
        set: which cascade; None takes ``rand`` for stochastic models, else ``standard``.
    """

    set: Literal["standard", "plus", "rand"] | None = None
    draws: Count = 20

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), *named_in(VERSIONS[self.set] if self.set else list(VERSIONS.values()))]

    def run(self, subject: Subject) -> Outcome:
        """Runs the cascade."""
        chosen = self.set or ("rand" if subject.target.stochastic else "standard")
        return self.run_stages(subject, *(member.stage() for member in VERSIONS[chosen]))
