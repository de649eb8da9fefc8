"""Tensors on disk, and checkpoints of other codebases."""
