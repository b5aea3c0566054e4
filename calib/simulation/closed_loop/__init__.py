"""The bot in a box: the whole live path, from the venue's stream to the loggers, under virtual time."""
