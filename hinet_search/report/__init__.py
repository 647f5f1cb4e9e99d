"""Report: records in, one self-contained HTML page out."""
