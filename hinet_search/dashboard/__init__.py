"""Live: pages that update themselves with a running study's report cards and its progress."""
