"""Fixtures for every test: real stores, and SQS from the emulator. Nothing starts before a test asks for it."""

pytest_plugins = ["tests.fixtures_stores", "tests.fixtures_emulator", "tests.fixtures_browser"]
