"""Jobs of a slot: train a trial, open the test split, summarise a finalist."""
