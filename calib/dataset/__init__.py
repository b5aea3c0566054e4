"""The interval dataset: its model, its construction from feeds, and its storage."""
