"""Corruptions of event data, one file a type; modules with a leading underscore hold what several types share."""
