"""Attacks that change few events of event frames; the evaluations are in suites."""
