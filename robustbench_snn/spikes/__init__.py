"""Measures of spikes: firing rates, diversity, information, operations, energy, distances."""
