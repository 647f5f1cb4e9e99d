"""Peers: what the configurations of other libraries say, as a data definition and a study."""
