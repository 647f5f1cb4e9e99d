"""Serving: export a finalist of a study as a folder that scores new rows on its own."""
