"""Search: plan, launch and coordinate a study: trials, finalists, test accesses, summaries."""
