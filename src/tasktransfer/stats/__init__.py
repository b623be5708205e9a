"""Statistics on plain arrays, which know nothing of tasks and models."""
