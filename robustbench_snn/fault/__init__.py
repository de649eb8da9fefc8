"""Faults of hardware: where a model has its neurons and synapses, what breaks there, and what accuracy is left."""
