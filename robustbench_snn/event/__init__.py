"""Machinery of event data: recordings, events simulated from still images, and frames."""
