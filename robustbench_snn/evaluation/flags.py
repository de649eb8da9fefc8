"""What each flag of a record means, and what to do about it: ``rbsnn explain FLAG``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from robustbench_snn.errors import UnknownNameError, did_you_mean
from robustbench_snn.registry import evaluations

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "zero_gradient": (
            "More than 1 % of the samples have an input gradient of exactly zero under the model's own backward pass. "
            "Plain gradient attacks stand still there, which looks like robustness and is none. Look for an encoder or "
            "a layer under no_grad, a rounding without a straight-through gradient, or a saturated surrogate; give the "
            "encoder a backward pass (BPDA) and evaluate again."
        ),
        "no_input_gradient": (
            "The input gradient is exactly zero, or absent, for every one of the first samples. The model detaches its "
            "input, runs under no_grad, or rounds without a backward pass: gradient attacks cannot move, and every "
            "number that they leave is an upper bound without worth. Give the model a backward pass (BPDA)."
        ),
        "non_finite_logits": (
            "Some logits were not finite, on the clean images, on those that an attack or a corruption made, or under "
            "a fault of hardware (a flipped bit of a float's exponent). They count as wrong answers: a low number here "
            "may say that the model breaks down, not that it was fooled."
        ),
        "ties": (
            "More than 1 % of the samples are wrong only because another class shares the top logit with theirs: a tie "
            "counts as a wrong answer. Readouts that count spikes, k/T, tie often at small T. accuracy counts ties as "
            "wrong; argmax_accuracy stands beside it and lets the lowest of the top classes answer, and NaN counts as "
            "-inf there. Attacks stop at a tie, so that argmax_accuracy under attack is an upper bound."
        ),
        "non_finite_weights": (
            "Some weights or buffers of the model are not finite: its training diverged, or its file is damaged. "
            "Train again with a lower learning rate; no number of this model means anything."
        ),
        "constant_prediction": (
            "The model gives one and the same class for all of the first samples, whose labels differ: it predicts a "
            "constant, which no attack can change. Look at its training before anything else."
        ),
        "useless_gradients": (
            "Steps along the gradient lower the margin no better than steps of random signs do, on most of the first "
            "samples, even with spikes reached wherever they are made and what cuts the gradient passed through. "
            "Attacks that need no gradient ran first, and they are weaker: read the number as an upper bound. Give the "
            "model a backward pass."
        ),
        "spikes_not_reached": (
            "Some module makes spikes in a way that no gradient estimator reaches: compiled or scripted code, or a "
            "kernel of its own. Attacks follow the model's own gradient there. details.examination names the modules."
        ),
        "scale_dependent": (
            "The model's logits are so far apart, or so close together, that single precision leaves a plain "
            "cross-entropy no gradient to speak of. The attacks here divide each sample's logits by their range, and "
            "are not fooled; numbers of other toolboxes for this model may be. Divide the logits by a constant."
        ),
        "accuracy_rises_with_eps": (
            "Fewer samples fell at a larger eps, by more than a point and one sample. A larger ball holds every image "
            "of a smaller one, so the union of attacks at the larger eps failed: more steps, more restarts, another "
            "estimator."
        ),
        "more_steps_help_defender": (
            "The same union of attacks with twice the steps left more samples standing, by more than one point and "
            "one sample. It has not converged, or follows gradients that mislead it."
        ),
        "unbounded_attack_fails": (
            "With eps = 1 any image is allowed, and accuracy should be about zero; more than 5 % were still right "
            "after the union of attacks. It is broken for this model, most often because its gradients are masked."
        ),
        "black_box_beats_white_box": (
            "Square, which sees no gradient, took more than 2 points of robust accuracy that no white-box attack "
            "before it could: the usual sign of masked gradients. The number holds what Square broke, and may still be "
            "too high."
        ),
        "noise_beats_attack": (
            "As many random images of the ball as the union of attacks takes steps left fewer samples standing than "
            "it did, by more than one. The attacks follow gradients that lead nowhere."
        ),
        "restarts_matter": (
            "Four more random starts of every attack lowered robust accuracy by more than 10 points below the union "
            "and its form of twice the steps: a few starts are not enough here. Use snn_standard, or more restarts."
        ),
        "loss_still_rising": (
            "With twice the steps, SA-PGD's mean loss at the end is higher, by more than 20 % of all that it rose by. "
            "It has not converged: double the steps until robust accuracy falls by less than a point."
        ),
        "last_iterate_gap": (
            "SA-PGD's last iterate leaves more samples standing than its best one, by more than 15 points. A number "
            "that was taken from last iterates, as torchattacks' PGD reports, would be too high by that much."
        ),
        "foreign_gradients_stronger": (
            "SA-PGD under one surrogate gradient that the union of attacks does not take (ATan(2), a triangle, a "
            "rectangle) leaves fewer samples standing than the whole union, by more than one point and one sample. "
            "The usual estimators miss directions here: run the tier extended of snn_standard."
        ),
        "not_deterministic": (
            "Two forward passes of one batch did not agree bit for bit, but the model was not declared stochastic. "
            "Either a component of it draws random numbers (declare it: stochastic=True), or a GPU sums in another "
            "order each time (torch.use_deterministic_algorithms). Attacks may then claim images that a second look "
            "does not confirm."
        ),
        "batch_dependent": (
            "A sample's logits differ by more than 1e-4 of their size when it is alone and when it is in a batch: "
            "batch statistics at test time, or layers that mix samples. Its numbers depend on the batch size."
        ),
        "eval_train_gradients_differ": (
            "In train mode with frozen batch norm the input gradient differs from that in eval mode. Some versions "
            "of SpikingJelly lost neuron gradients in eval mode (0.0.0.0.14); require 2.0 or newer. Dropout and other "
            "layers that act in train mode only are left out of the comparison."
        ),
        "rounding_undoes_attack": (
            "More than 10 % of the broken samples, and more than one, are classified correctly again, or leave the "
            "ball, once their adversarial images are stored as 8-bit pixels and read back, and further steps from "
            "there found no image that stays adversarial. The attack relies on perturbations below one grey level."
        ),
        "unverified": (
            "Some images that fooled the model inside the attack did not in a fresh forward pass; they were counted "
            "as survivors. A deterministic model must not do this: look for state that reset does not clear."
        ),
        "not_converged": (
            "A search of snn_standard, the doubling of steps (details.convergence) or the starts of Square "
            "(details.square), stopped at its limit before two turns in a row had lowered robust accuracy by no more "
            "than a point each. The true number is lower; for the doubling, raise most_steps."
        ),
        "not_for_publication": (
            "A quick form of the attack set, for development. Its number is an upper bound that may be far too high; "
            "publish snn_standard."
        ),
        "torchattacks_autoattack": (
            "torchattacks.AutoAttack runs APGD and FAB for 10 iterations instead of 100. It must not be quoted as "
            "AutoAttack."
        ),
        "outside_ball": (
            "Some perturbations that this attack returned are larger than eps; the number is not one of that ball."
        ),
        "external_rejected": (
            "Some images of an external adversarial set were not admissible (not finite, outside [0, 1] or outside "
            "the ball) and were counted as failed attacks."
        ),
        "fault_sites_incomplete": (
            "Some layers of the model have neurons or weights that a fault of hardware should have struck and cannot "
            "reach: weights that are computed from others, spikes whose neurons cannot be told from samples and steps, "
            "constants that a layer does not let differ. details.faults names them under beyond. The accuracy is that "
            "of a model which is broken in its other layers only: read it as an upper bound."
        ),
        "spikes_not_counted": (
            "The model makes spikes outside of SpikingJelly's layers of neurons: by a Function or a threshold of its "
            "own, or in layers of another library. Firing rates, distances and the traffic of neuron states leave them "
            "out, and their arithmetic counts as operations of the network. Raised too where nothing can look for "
            "them: in TorchScript, or where a model runs without a gradient only. Build the neurons with "
            "SpikingJelly, or quote none of these numbers."
        ),
        "paper_protocol": (
            "Made by the STF authors' protocol: inputs are perturbed after normalisation and clamped to [0, 1] there, "
            "and the last iterate counts. eps is then not what it says. Compare with nothing else."
        ),
    }
)
"""Every flag that an evaluation of this package may raise, and its explanation."""


def known_flags() -> dict[str, str]:
    """Every flag with its meaning: those above, and those that evaluations from outside declare."""
    return {
        **FLAGS,
        **{name: why for found in evaluations.outside() for name, why in found.implementation.flags.items()},
    }


def explain(flag: str) -> str:
    """What a flag means and what to do about it.

    Raises:
        UnknownNameError: if there is no such flag, with the nearest name.
    """
    known = known_flags()
    if flag not in known:
        raise UnknownNameError(f"Unknown flag '{flag}'.{did_you_mean(flag, known)} There are: {', '.join(known)}")
    return known[flag]
