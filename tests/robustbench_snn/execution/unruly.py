"""A plug-in whose evaluation kills its process, hangs, or ends the program."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from robustbench_snn.plugins import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.suites.clean import Clean


@register_evaluation("unruly", version=1)
class Unruly(Evaluation):
    """Misbehaves, then finds what ``clean`` does.

    Args:
        how: what it does.
        once: a file that is made at the first time, after which it behaves; always without it.
    """

    how: Literal["kill", "exit", "interrupt", "hang"] = "kill"
    once: str = ""

    def run(self, subject: Subject) -> Outcome:
        """See :class:`Evaluation`."""
        if not (self.once and Path(self.once).exists()):
            if self.once:
                Path(self.once).touch()
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.how == "exit":
                sys.exit(0)
            elif self.how == "interrupt":
                raise BaseException("of a plug-in's own")
            else:
                time.sleep(10_000)
        return Clean().run(subject)
