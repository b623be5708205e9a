"""Before a study, what it can see; after one, what to measure next."""
