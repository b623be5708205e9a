"""Other people's results as our tables. No torch."""
