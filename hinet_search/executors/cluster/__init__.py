"""Cluster: the connection to Ray, and the code that runs on its nodes."""
