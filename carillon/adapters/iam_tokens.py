"""Logging in to PostgreSQL and Valkey by IAM: the password is a signed request that nobody sends, good for 15 minutes.

Only the moment of connecting counts: a connection outlives its token. Made without boto3, which would cost a cold start
more than all the rest.
Sources: Aurora User Guide, "Connecting to your DB cluster using IAM authentication"; ElastiCache User Guide,
"Authenticating with IAM"; SigV4 query strings in the IAM User Guide.
"""

from __future__ import annotations

import hmac
import time
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from carillon.adapters.apigateway.signer import signing_key
from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from carillon.adapters.apigateway.credentials import Credentials, Provider

LIFE_S: Final = 900
"""Neither service takes a longer one."""
AMAZON: Final = str(files("carillon.adapters").joinpath("authorities", "amazon.pem"))
"""Who vouches for RDS Proxy and ElastiCache. Loading all the world's authorities costs 44 ms per connection."""
RDS: Final = str(files("carillon.adapters").joinpath("authorities", "rds.pem"))
"""Who vouches for Aurora itself, which does not use the public ones."""
_EMPTY: Final = sha256(b"").hexdigest()


def token(
    service: str, host: str, parameters: Mapping[str, str], *, region: str, credentials: Credentials, now: float
) -> str:
    """A presigned `GET host/?parameters`, without its scheme.

    Args:
        service: `rds-db` or `elasticache`.
        host: what is connected to, with the port where the service wants it.
        parameters: the request's own parameters.
        region: AWS Region of the store.
        credentials: whose right it is.
        now: epoch seconds.
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    signed = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(LIFE_S),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        signed["X-Amz-Security-Token"] = credentials.token
    query = urlencode(sorted({**parameters, **signed}.items()), quote_via=quote, safe="-_.~")
    request = f"GET\n/\n{query}\nhost:{host}\n\nhost\n{_EMPTY}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = signing_key(credentials.secret_key, moment[:8], region, service)
    return f"{host}/?{query}&X-Amz-Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"


def _region_of(host: str) -> str:
    """The Region in the name of a cluster or proxy of RDS (`name.id.us-east-1.rds.amazonaws.com`); empty elsewhere."""
    name, _, _ = host.partition(".rds.amazonaws.com")
    return name.rpartition(".")[2] if name != host else ""


class DatabaseLogin:
    """Gives what each new connection to PostgreSQL needs beside its URL: a fresh token, and whom to trust.

    Args:
        url: libpq URL with user and host, and without a password.
        region: AWS Region of the database, where its host does not tell: the writer may be in another Region.
        credentials: asked for each connection.
        clock: epoch seconds.

    Raises:
        ConfigError: the URL names no user or no host.
    """

    def __init__(self, url: str, *, region: str, credentials: Provider, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not parts.username:
            raise ConfigError("CARILLON_DATABASE_URL names no user and host: a token is signed for both")
        self._host = f"{parts.hostname}:{parts.port or 5432}"
        self._user = parts.username
        self._region, self._credentials, self._clock = _region_of(parts.hostname) or region, credentials, clock
        # A URL that says itself whom it trusts, or that it trusts nobody in particular, is left alone.
        self._trust = {} if "sslrootcert" in parts.query else {"sslrootcert": AMAZON}

    def __call__(self) -> dict[str, str]:
        """Connection parameters."""
        parameters = {"Action": "connect", "DBUser": self._user}
        password = token(
            "rds-db", self._host, parameters, region=self._region, credentials=self._credentials(), now=self._clock()
        )
        return {"password": password, **self._trust}


class CacheLogin:
    """A credential provider of valkey-py: user and fresh token for each new connection.

    ElastiCache drops a connection 12 hours after its log-in; the client then opens another.

    Args:
        url: valkeys:// URL with the user.
        name: of the replication group; it is what the token is signed for.
        region: AWS Region of the cache.
        credentials: asked for each connection.
        clock: epoch seconds.

    Attributes:
        url: the same URL without the user, which the client takes from here alone.

    Raises:
        ConfigError: the URL names no user, or the name is missing.
    """

    def __init__(
        self, url: str, *, name: str, region: str, credentials: Provider, clock: Callable[[], float] = time.time
    ) -> None:
        parts = urlsplit(url)
        if not parts.username or not name:
            raise ConfigError("CARILLON_VALKEY_URL must name the user, and CARILLON_VALKEY_NAME the replication group")
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        self._user = parts.username
        # ElastiCache keeps names in lower case and checks the signature against that.
        self._name = name.lower()
        self._region, self._credentials, self._clock = region, credentials, clock

    def get_credentials(self) -> tuple[str, str]:
        """User and token."""
        parameters = {"Action": "connect", "User": self._user}
        return self._user, token(
            "elasticache",
            self._name,
            parameters,
            region=self._region,
            credentials=self._credentials(),
            now=self._clock(),
        )
