"""Fitting an evaluation into the device's memory."""

from __future__ import annotations

from dataclasses import replace

import torch

from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.checked import run_checked
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject


def run_in_memory(evaluation: Evaluation, subject: Subject) -> tuple[Outcome, int]:
    """Runs an evaluation, halving the batch when memory runs out: the numbers do not depend on it.

    Returns:
        The outcome and the batch size that fitted.

    Raises:
        UserError: if not even one sample fits.
    """
    while True:
        try:
            with subject.target.frozen():
                return run_checked(evaluation, subject), subject.batch_size
        except torch.OutOfMemoryError:
            if subject.batch_size == 1:
                raise UserError(
                    f"{subject.device} runs out of memory on a single sample; use a smaller model, fewer timesteps "
                    "or a device with more memory (--device)"
                ) from None
            torch.cuda.empty_cache()
            subject = replace(subject, batch_size=subject.batch_size // 2, journal=subject.journal.again())
