"""Replay: search strategies on recorded trainings, on a simulated clock."""
