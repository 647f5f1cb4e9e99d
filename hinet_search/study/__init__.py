"""Study files: read and check studies, search spaces and data definitions in YAML."""
