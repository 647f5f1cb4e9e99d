"""Processes: slots on this machine, their channel and their environment."""
