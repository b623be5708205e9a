"""What an analysis says, in sentences."""
