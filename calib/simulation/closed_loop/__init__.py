"""The closed loop: a bot with the live classes, from the venue's stream to the loggers, in virtual time."""
