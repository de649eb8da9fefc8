"""Published tables between people: extended, merged, reproduced, submitted to."""
