"""Plug-ins: published data sets, one file per family, found by file name."""
