"""Storage: the engine factory, our tables, and Optuna storage to StudyRecord."""
