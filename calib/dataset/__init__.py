"""The interval dataset: its model, how it is built from feeds, and how it is stored."""
