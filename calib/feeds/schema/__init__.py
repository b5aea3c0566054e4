"""What a feed line is: the one table of fields, the validation of a line, and what derives from the table."""
