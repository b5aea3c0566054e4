"""Tables of any layout made feeds: a mapping says which column is which field, and in which unit."""
