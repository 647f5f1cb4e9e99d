"""Storage: open databases, write studies to our tables and Optuna's, and load StudyRecords."""
