"""Facts: what the cards of a report say, computed from records."""
