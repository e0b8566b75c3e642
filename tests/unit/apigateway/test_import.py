from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"boto3", "botocore", "requests", "urllib3", "httpx", "pydantic"}


def test_the_poster_does_not_load_an_sdk() -> None:
    """boto3 alone takes longer to import than a cold start may take to its first post."""
    program = "import json, sys, carillon.adapters.apigateway; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", program], text=True))
    assert "carillon.adapters.apigateway.poster" in loaded
    assert not HEAVY.intersection(loaded)
