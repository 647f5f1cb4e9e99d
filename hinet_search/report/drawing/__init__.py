"""Drawing: numbers, figures and HTML of a report."""
