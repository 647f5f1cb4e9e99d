"""Training: from a model and columns to weights and metrics; knows no optuna."""
