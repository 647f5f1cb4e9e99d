"""Training: turn a model and columns into weights and metrics, without Optuna."""
