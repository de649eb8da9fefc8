"""What ``rbsnn new`` writes: a working component of each kind, under the names that the scaffold replaces.

No file here is imported by the package, so nothing of it is registered.
"""
