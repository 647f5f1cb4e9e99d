"""Statistics: paired differences, tests for several arms and resampled users, on plain numbers."""
