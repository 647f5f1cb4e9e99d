"""Data sources: one file each, `load(options, folder, cache) -> LazyFrame`."""
