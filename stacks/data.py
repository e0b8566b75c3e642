"""PostgreSQL and Valkey of one Region, and the migrations that new code waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from carillon.config import DatabaseAuth, StoreSettings, ValkeyAuth, environment
from carillon.names import DATABASE_LOGIN, DATABASE_NAME
from stacks.network import DATABASE_PORT
from stacks.parts.aurora import AuroraCluster
from stacks.parts.database_proxy import DatabaseProxy
from stacks.parts.global_database import GlobalDatabase, global_name
from stacks.parts.migration import Migrations
from stacks.parts.valkey import ValkeyCache

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import Construct, IDependable

    from stacks.network import NetworkStack
    from stacks.stage import Stage

_SAFELY: Final = "sslmode=verify-full"


class DataStack(cdk.Stack):
    """The stores of one Region.

    Attributes:
        key: what they are encrypted with.
        cluster: Aurora PostgreSQL; of two Regions' clusters, the second follows the first.
        readers_scale: whether the number of its readers follows the load, and so the plan.
        proxy: what the product connects to.
        cache: the replication group of ElastiCache.
        migrated: done when the `pre` migrations have run; new code depends on it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        writer: DataStack | None = None,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._stage = stage
        kept = cdk.RemovalPolicy.RETAIN if stage.retain else cdk.RemovalPolicy.DESTROY
        self.key = kms.Key(self, "Key", enable_key_rotation=True, description="The stores", removal_policy=kept)
        follows = self.region != stage.regions[0]
        joins = global_name(stage) if follows else ""
        aurora = AuroraCluster(self, "Aurora", stage=stage, network=network, key=self.key, joins=joins)
        self.cluster, self.readers_scale = aurora.cluster, aurora.readers_scale
        if len(stage.regions) == 2 and not follows:
            GlobalDatabase(self, "Global", stage=stage, cluster=self.cluster)
        self._proxied = DatabaseProxy(self, "DatabaseProxy", cluster=self.cluster, network=network)
        self.proxy = self._proxied.proxy
        self._valkey = ValkeyCache(self, "Valkey", stage=stage, network=network, key=self.key)
        self.cache = self._valkey.group
        self._writer = writer
        self._migrations = None if follows else self._migrated(network)
        self.migrated: IDependable = (
            self._migrations.phase(self, "Migrated", "pre", [self.cluster]) if self._migrations else self.cluster
        )

    def _migrated(self, network: NetworkStack) -> Migrations:
        """Where the data began: the other Region follows, tables and log-ins and all."""
        secret = self.cluster.secret
        assert secret is not None
        return Migrations(self, "Migrations", stage=self._stage, network=network, secret=secret, key=self.key)

    def migrate_after(self, scope: Construct, construct_id: str, *dependencies: IDependable) -> IDependable:
        """The `post` migrations, as a resource of another stack that waits for the new code.

        In a Region that follows there is none: the first one's wait for the code of both (see `compose`).
        """
        if self._migrations is None:
            return self.migrated
        return self._migrations.phase(scope, construct_id, "post", dependencies)

    def settings(self) -> dict[str, str]:
        """What a door is told about the stores: those of the stage's own choice, or the ones made here."""
        return environment(StoreSettings, **self._database(), **self._cache())

    def _database(self) -> dict[str, str]:
        if self._stage.database_url:
            return {"database_url": self._stage.database_url, "database_auth": DatabaseAuth.PASSWORD}
        return {
            "database_url": _url((self._writer or self).proxy.endpoint),
            "database_read_url": _url(self._proxied.reader.endpoint),
            "database_auth": DatabaseAuth.IAM,
        }

    def _cache(self) -> dict[str, str]:
        if self._stage.valkey_url:
            return {"valkey_url": self._stage.valkey_url, "valkey_auth": ValkeyAuth.URL}
        return {
            "valkey_url": self._valkey.url,
            "valkey_cluster": "true" if self._valkey.cluster_mode else "false",
            "valkey_auth": ValkeyAuth.IAM,
            "valkey_name": self.cache.ref,
        }

    def grant_stores(self, grantee: iam.IGrantable) -> None:
        """Let somebody log in to both stores as the product."""
        self.grant_database(grantee)
        self._valkey.grant_connect(grantee)

    def grant_database(self, grantee: iam.IGrantable) -> None:
        """Let somebody log in to PostgreSQL as the product; to the writer also where another Region has it."""
        self.proxy.grant_connect(grantee, DATABASE_LOGIN)
        if self._writer is not None:
            self._writer.proxy.grant_connect(grantee, DATABASE_LOGIN)


def _url(host: str) -> str:
    return f"postgresql://{DATABASE_LOGIN}@{host}:{DATABASE_PORT}/{DATABASE_NAME}?{_SAFELY}"
