"""Import tables of any layout: a mapping says which column is which field, and in which unit."""
