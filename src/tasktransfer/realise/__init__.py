"""Recommend, train what was recommended, and judge it. Sees both wings."""
