"""Transfer estimated at a share of the cost of a grid, and which estimate to trust. Sees both wings."""
