"""What the spikes do: timestep sweeps, faults, firing rates, diversity, information, energy, distances."""
