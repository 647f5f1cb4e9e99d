"""Peers: write an exported network as the configuration of another library."""
