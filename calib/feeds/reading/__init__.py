"""Find, read and check feed files."""
