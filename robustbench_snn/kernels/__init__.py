"""Loops over time steps as one kernel: what torch would run as dozens of small operations a layer."""
