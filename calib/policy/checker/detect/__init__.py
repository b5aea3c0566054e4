"""What the rules look for, each pattern written once; a rule picks the kinds of data that are its own."""
