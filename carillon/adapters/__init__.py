"""The ports, kept by real stores and services."""
