"""Pictures of reports as self-contained SVG, one kind per file."""
