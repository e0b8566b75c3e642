"""Synthesising without the built-in validator, which costs 6 s a time and runs once in `make synth`."""

import os

os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
