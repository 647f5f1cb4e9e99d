"""Search: the coordinator asks, prunes, tells; budget and finalists."""
