"""Results: what a study left as records, and their comparison: verdict, contrasts, statistics."""
