"""The paper, one file an equation or a figure, and what to trust of it."""
