"""Example data, and the script that makes it."""
