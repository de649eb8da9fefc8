"""The attack engine: perturbation balls, active sets, losses, cascades, verification."""
