"""Where the jobs of a study are done: one signature, the same files."""
