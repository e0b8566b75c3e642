"""A place to post to: a TLS server on this machine that answers 200 to everything.

Run as `python -m loadtest.sink`; it prints one line of JSON with its port, and lives until its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
_END_OF_HEAD: Final = b"\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection: counts bodies by Content-Length and answers each request after `delay_s`."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in what has come so far."""
        self._buffer += data
        while (size := _request_size(self._buffer)) and size <= len(self._buffer):
            self._buffer = self._buffer[size:]
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(_ANSWER)


def _request_size(buffer: bytes) -> int:
    """Bytes of the first request, head and body; 0 while its head is not whole."""
    end = buffer.find(_END_OF_HEAD)
    if end < 0:
        return 0
    head = buffer[:end].lower()
    _, found, rest = head.partition(b"content-length:")
    return end + len(_END_OF_HEAD) + (int(rest.split(b"\r\n", 1)[0]) if found else 0)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, as PEM files in `folder`; valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "sink.pem", folder / "sink.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    paths[1].chmod(0o600)
    return paths


async def _serve(certificate: Path, key: Path, delay_s: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(delay_s), "127.0.0.1", 0, ssl=context, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Serve until standard input closes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--certificate", type=Path, required=True)
    arguments.add_argument("--key", type=Path, required=True)
    arguments.add_argument("--delay-ms", type=float, default=0.0)
    given = arguments.parse_args()
    uvloop.run(_serve(given.certificate, given.key, given.delay_ms / 1000))


if __name__ == "__main__":
    main()
