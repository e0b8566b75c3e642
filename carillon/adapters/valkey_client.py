"""The Valkey client: one node or a cluster, with a password in the URL or a token per connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valkey import Valkey, ValkeyCluster
from valkey.connection import ConnectionPool

from carillon.adapters.iam_tokens import AMAZON

if TYPE_CHECKING:
    from carillon.adapters.iam_tokens import CacheLogin


class _CheckedPool(ConnectionPool):
    """The cluster client drops this option on its way to the connections of its nodes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(ssl_check_hostname=True, **options)


def connect(url: str, *, cluster: bool, timeout_s: float, login: CacheLogin | None = None) -> Any:
    """The client; a single node is connected to with the first command, a cluster at once.

    Args:
        url: valkey:// or valkeys://.
        cluster: whether Valkey runs in cluster mode.
        timeout_s: longest wait for it.
        login: gives user and token; the server must then prove to be ElastiCache.
    """
    options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    if login is not None:
        url = login.url
        options |= {"credential_provider": login, "ssl_ca_certs": AMAZON}
    kind: Any = ValkeyCluster if cluster else Valkey
    if cluster:
        # One more try after a fail-over moved a slot; a hung cluster must not hold up a delivery any longer.
        options["cluster_error_retry_attempts"] = 1
        if login is not None:
            options["connection_pool_class"] = _CheckedPool
    elif login is not None:
        options["ssl_check_hostname"] = True
    return kind.from_url(url, **options)
