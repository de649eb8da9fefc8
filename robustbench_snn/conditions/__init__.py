"""The inputs that sweeps and profiles run under: clean, corrupted, attacked."""
