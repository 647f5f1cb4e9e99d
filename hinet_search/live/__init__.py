"""Live: the report's cards of a study while it runs, with a card of its progress; pages that renew themselves."""
