"""Phases: the parts of a launch, each a source of jobs."""
