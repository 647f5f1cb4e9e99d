"""Data sources: one file each, `load(options, folder) -> LazyFrame`."""
