"""Sweeps over the number of timesteps, and faults of single steps."""
