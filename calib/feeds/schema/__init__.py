"""The schema of the feeds: the table of fields, the validation of lines, and types derived from the table."""
