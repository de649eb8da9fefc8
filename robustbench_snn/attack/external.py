"""Scoring adversarial images from outside: they can lower a result, never raise it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.judge import Judge
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.reading import read_npz

HALF_LEVEL = 0.5 / 255.0
"""How far rounding to 8 bits moves a pixel at most."""


@dataclass(frozen=True)
class ExternalSet:
    """Adversarial images by sample id.

    Attributes:
        ids: int64 (M,), ids of the evaluation samples that the images were made from.
        images: float32 (M, C, H, W) in [0, 1].
        grey_levels: whether they were stored as 8-bit pixels, which rounds each by up to half a grey level.
    """

    ids: Tensor
    images: Tensor
    grey_levels: bool = False

    @classmethod
    def load(cls, path: str | Path) -> ExternalSet:
        """Reads an .npz with ``ids`` (M,) and ``images`` (M, C, H, W), uint8 on 0..255 or float in [0, 1].

        Raises:
            UserError: if the file is not of that form.
        """
        try:
            found = read_npz(Path(path))
        except OSError as error:
            raise UserError(f"{path} cannot be read as .npz: {error.strerror or error}") from None
        if missing := {"ids", "images"} - set(found):
            raise UserError(f"{path} lacks {' and '.join(sorted(missing))}; it holds ids (M,) and images (M, C, H, W)")
        ids, images = found["ids"], found["images"]
        if ids.dtype.kind not in "iu" or (images.dtype != np.uint8 and images.dtype.kind != "f"):
            raise UserError(
                f"{path}: ids must be whole numbers, not {ids.dtype}, and images uint8 on 0..255 or float in [0, 1], "
                f"not {images.dtype}"
            )
        if images.ndim != 4 or ids.shape != images.shape[:1] or len(set(ids.tolist())) != len(ids):
            raise UserError(f"{path}: ids {ids.shape} must name the rows of images {images.shape}, each once")
        pixels, grey = torch.from_numpy(images.astype(np.float32)), images.dtype == np.uint8
        return cls(torch.from_numpy(ids.astype(np.int64)), pixels / 255.0 if grey else pixels, grey)

    def around(self, ball: Ball) -> Ball:
        """The ball that its images must lie in: half a grey level wider in every pixel, if they are 8-bit."""
        if not self.grey_levels:
            return ball
        pixels = self.images[:1].numel()
        return Ball(ball.eps + HALF_LEVEL * (1.0 if ball.norm == "linf" else pixels**0.5), ball.norm)


def score(external: ExternalSet, subject: Subject, ball: Ball, before: Mapping[str, Any], draws: int = 20) -> Outcome:
    """Robust accuracy of a stored result, lowered by what an external set breaks.

    Images that are not finite, outside [0, 1] or outside the ball, and samples that the set does not hold, count as
    failed attacks. A set of 8-bit pixels may leave the ball by half a grey level in each: rounding an image of the
    ball does that. A stochastic model is judged over fresh draws.

    Args:
        external: the set.
        subject: the model and the samples of the stored result.
        ball: of the stored result.
        before: columns of the stored result; ``correct`` is used.
        draws: evaluation draws for a stochastic model.

    Raises:
        UserError: if the set, the samples and the stored result do not belong together.
    """
    kept = torch.as_tensor(np.asarray(before["correct"]), dtype=torch.float32)
    if len(kept) != len(subject.samples):
        raise UserError(f"the stored result has {len(kept)} samples, the data set {len(subject.samples)}")
    rows = {int(sample): row for row, sample in enumerate(subject.samples.ids.tolist())}
    unknown = [sample for sample in external.ids.tolist() if sample not in rows]
    if unknown:
        raise UserError(f"{len(unknown)} ids of the external set are not among the samples, the first is {unknown[0]}")
    eps, ball = ball.eps, external.around(ball)
    judge = Judge(subject, ball, draws if subject.target.stochastic else 1)
    share, rejected, position = kept.clone(), 0, 0
    order = torch.tensor([rows[sample] for sample in external.ids.tolist()], dtype=torch.int64)
    with subject.target.frozen():
        for batch in subject.samples.batches(subject.batch_size, subject.device, order):
            images = external.images[position : position + len(batch)].to(batch.images.device)
            position += len(batch)
            if images.shape != batch.images.shape:
                raise UserError(
                    f"external images are {tuple(images.shape[1:])}, samples {tuple(batch.images.shape[1:])}"
                )
            rejected += int((~ball.contains(images, batch.images)).sum())
            found = judge.judge(images, batch).right
            share[batch.positions] = torch.minimum(share[batch.positions], found)
    whole = not subject.target.stochastic
    return Outcome(
        metrics={"accuracy": float(share.double().mean()), "before": float(kept.double().mean())},
        columns={"correct": (share == 1.0).numpy() if whole else share.numpy()},
        details={"images": len(order), "rejected": rejected, "lowered": int((share < kept).sum()), "eps": eps},
        flags=["external_rejected"] if rejected else [],
    )
