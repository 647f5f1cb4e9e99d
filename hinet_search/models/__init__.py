"""Models: one file each, `Config` and `Model(config, schema)`."""
