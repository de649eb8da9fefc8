"""The standard SNN attack set: robust accuracy by union over a cascade of attacks, per sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.examination import COMPONENTS as EXAMINATION
from robustbench_snn.attack.examination import USELESS, examine, passing_through
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.standard_set import (
    NOT_FOR_PUBLICATION,
    SET_VERSION,
    Member,
    Tier,
    again,
    doubled,
    last,
    members,
)
from robustbench_snn.errors import UserError, did_you_mean
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.registry.spec import named_in
from robustbench_snn.suites._gradient_free import COMPONENTS as GRADIENT_FREE
from robustbench_snn.suites._gradient_free import gradient_free_stages
from robustbench_snn.suites.attacks.mi_fgsm import MIFGSM
from robustbench_snn.suites.attacks.transfer import Transfer

FALL = 0.01
"""A turn is quiet when it lowers robust accuracy by no more than this; of under 100 samples, by none."""
QUIET = 2
"""Quiet turns in a row that end a search: after a single one, later ones still broke samples."""
MOST_STARTS = 8
"""Where starting a black box again gives up."""
BLIND_SHARE = 0.02
"""What a black box may take off robust accuracy after all white-box members, before the gradients are doubted."""


@register_evaluation(
    "snn_standard",
    version=4,  # see the changelog
    presets={
        "snn_quick": {"tier": "quick"},
        "snn_fast": {"tier": "fast"},
        "snn_extended": {"tier": "extended"},
    },
)
class SNNStandard(AttackEvaluation):
    """Robust accuracy under the standard SNN attack set, version 3.

    PGD-10; SA-PGD-100 under ASSG(0.45) with CE, two starts, and with the margin loss; under ASSG(0.425) with CE; under
    ATan(10) with the margin loss; SA-PGD-50 under ASSG(0.45) towards each of the nine likeliest wrong classes;
    APGD-CE-100 under the training surrogate; the convergence rule; Square with 5,000 queries, from one random stream
    after another; transfer from the models in ``transfer_from``. Each attacks only what all before it left standing.
    On a model without spikes all follow its own gradient, and members that would be the same run once.

    Before it attacks, it examines: whether steps along the gradient beat steps of random signs, where the model makes
    its spikes, and whether it cuts its gradient off. Where passing through such a cut (BPDA, Athalye et al., 2018,
    arXiv:1802.00420) helps, all members do; where no gradient leads anywhere, attacks that need none come first and
    are more: Square, transfer from the model's twin with ReLUs and from a student of its answers, RayS for hard
    labels. So they are where Square lowers robust accuracy by more than 2 points, and by more than one sample, after
    all others. ``details.examination`` says what was found and done.

    Convergence rule: SA-PGD under ASSG with twice the steps of the run before, 200 to begin with, by turns of two
    losses and levels, until two doublings in a row lower robust accuracy by no more than a point each, or
    ``most_steps``. Where Square lowers it by more, it starts again until two starts in a row do not, eight at most;
    so it does where no gradient leads anywhere. ``details.convergence`` and ``details.square`` say where they stopped,
    and the flag ``not_converged`` that one of them had to.

    Tiers: ``quick`` (PGD-10) and ``fast`` are for development and never a claim; ``extended`` adds 1,000-step
    attacks under all estimators.

    Args:
        tier: which set.
        most_steps: where the convergence rule gives up.
        transfer_from: other models of the suite whose adversarial images are tried too, each as ``model@seed``;
            this evaluation then waits until all models are trained. A model is left out of its own.
    """

    tier: Tier = "standard"
    most_steps: Count = 1600
    transfer_from: list[str] = field(default_factory=list)

    @property
    def needs_peers(self) -> bool:
        """Only for transfer."""
        return bool(self.transfer_from)

    def uses(self, peer: str) -> bool:
        """Only those named: a model that joins a suite must not make all others be attacked again."""
        return peer in self.transfer_from

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        chosen = (*members(self.tier), *(doubled(200 * 2**turn) for turn in range(2)), *last(self.tier))
        transfer = [("attacks", "mi_fgsm")] if self.transfer_from else []
        return [*super().components(), *EXAMINATION, *named_in(chosen), *GRADIENT_FREE, *transfer]

    def run(self, subject: Subject) -> Outcome:
        """Examines the model, and runs the cascade.

        Raises:
            UserError: if ``transfer_from`` names a model that the suite does not have.
        """
        self._check_peers(subject)
        target, full = subject.target, self.tier in ("standard", "extended")
        with target.frozen():
            found = examine(subject, self.ball, self.draws)
            with passing_through(target, found.passes_through):
                first = members(self.tier, spiking=found.census.spiking, lif=found.census.lif)
                cascade = self.cascade(subject, len(first) + len(self._sources(subject)))
                useless = found.useful < USELESS
                if useless and full:
                    self._gradient_free(cascade, subject)
                for member in first:
                    cascade.attack(member.stage())
                convergence = self._converge(cascade, spiking=found.census.spiking) if full else None
                before = cascade.robust_accuracy
                square = [self._start_again(cascade, member, done=int(useless)) for member in last(self.tier)]
                blind = sum(sum(one["broken"]) for one in square) if not useless else 0
                suspect = not useless and doubted(before - cascade.robust_accuracy, len(subject.samples))
                if suspect and full:
                    self._gradient_free(cascade, subject, but=len(last(self.tier)))
                self._transfer(cascade, subject)
        return cascade_outcome(
            cascade,
            details={
                "tier": self.tier,
                "set_version": SET_VERSION,
                "examination": found.row(),
                "convergence": convergence,
                "square": square[0] if square else None,
                "broken_by_black_box_only": blind,
            },
            flags=[
                *found.flags,
                *(["black_box_beats_white_box"] if suspect else []),
                *self._flags([search for search in (convergence, *square) if search]),
            ],
        )

    def _gradient_free(self, cascade: Cascade, subject: Subject, but: int = 0) -> None:
        for one in gradient_free_stages(subject, self.ball)[but:]:
            cascade.attack(one)

    @staticmethod
    def _start_again(cascade: Cascade, member: Member, *, done: int) -> dict[str, Any]:
        """A black box from one random stream after another, ``done`` of which have run; see the class."""
        broken: list[int] = []
        quiet, enough = 0, QUIET if done else 1
        while quiet < enough and done + len(broken) < MOST_STARTS and len(cascade.standing):
            before = cascade.robust_accuracy
            broken.append(cascade.attack(again(member, done + len(broken) + 1).stage()).broken)
            if before - cascade.robust_accuracy <= FALL + 1e-9:
                quiet += 1
            else:
                quiet, enough = 0, QUIET
        converged = quiet == enough or not len(cascade.standing)
        return {"starts": done + len(broken), "broken": broken, "converged": converged}

    def _converge(self, cascade: Cascade, *, spiking: bool) -> dict[str, Any]:
        """The convergence rule; see the class."""
        steps, quiet, history = 100, 0, [{"steps": 100, "robust_accuracy": cascade.robust_accuracy}]
        while quiet < QUIET and 2 * steps <= self.most_steps and len(cascade.standing):
            steps *= 2
            cascade.attack(doubled(steps, spiking=spiking).stage())
            fall = history[-1]["robust_accuracy"] - cascade.robust_accuracy
            quiet = quiet + 1 if fall <= FALL + 1e-9 else 0
            history.append({"steps": steps, "robust_accuracy": cascade.robust_accuracy})
        converged = quiet == QUIET or not len(cascade.standing)
        return {"stopped_at": steps, "quiet": quiet, "converged": converged, "history": history}

    def _transfer(self, cascade: Cascade, subject: Subject) -> None:
        for name in self._sources(subject):
            source = subject.peers[name]()
            with source.frozen():
                attack = Transfer(source, MIFGSM(steps=20))
                cascade.attack(stage("transfer", attack, title=f"transfer from {name}"))

    def _sources(self, subject: Subject) -> list[str]:
        return [name for name in self.transfer_from if name != subject.name]

    def _check_peers(self, subject: Subject) -> None:
        for name in self._sources(subject):
            if name not in subject.peers:
                raise UserError(
                    f"transfer_from: this suite has no other model '{name}'.{did_you_mean(name, subject.peers)}"
                )

    def _flags(self, searches: Iterable[Mapping[str, Any]]) -> Sequence[str]:
        flags = ["not_for_publication"] if self.tier in NOT_FOR_PUBLICATION else []
        return flags if all(search["converged"] for search in searches) else [*flags, "not_converged"]


def doubted(fall: float, samples: int) -> bool:
    """Whether a black box lowered robust accuracy by more than :data:`BLIND_SHARE`, and by more than one sample.

    Broken samples are not counted, for one of a stochastic model breaks only where all selecting draws are wrong.

    Args:
        fall: of robust accuracy, on [0, 1].
        samples: how many were attacked.
    """
    return round(fall * samples, 3) > max(1, BLIND_SHARE * samples)  # rounded, so that k samples are k
