"""Optuna: copy our rows to Optuna's storage and to studies in memory."""
