"""Tasks of one's own: a folder, tables, a Hub dataset, a function."""
