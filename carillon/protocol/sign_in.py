"""Where an issuer sends people back to after they signed in; it must know each address beforehand."""

from __future__ import annotations

from typing import Final

CLI_PORT: Final = 8976
CLI_ADDRESS: Final = f"http://localhost:{CLI_PORT}/"
"""The command line's, on the machine of whoever signs in (RFC 8252, 7.3; Cognito wants the port spelled out)."""
