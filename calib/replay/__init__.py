"""Replaying recorded feeds through the live classes, in virtual time."""
