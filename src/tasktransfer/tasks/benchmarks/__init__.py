"""One file a benchmark: its facts, its loader, its row."""
