"""Text: sentences and Markdown of a report."""
