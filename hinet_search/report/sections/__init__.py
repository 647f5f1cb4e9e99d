"""Report sections: one file each, `build(record) -> Card`."""
