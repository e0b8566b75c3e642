"""The database's migrations as resources: what depends on one starts when it is done, and a failure rolls back."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from constructs import Construct

from carillon.config import MigrationSettings, environment
from carillon.errors import ConfigError
from stacks.parts.bundle import ROOT
from stacks.parts.function import ProductFunction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_secretsmanager as secretsmanager
    from constructs import IDependable

    from stacks.network import NetworkStack
    from stacks.stage import Stage

TIMEOUT_S: Final = 900
"""A function's longest run; a migration that needs more is cut into several."""
AUTHORITIES: Final = "carillon/adapters/authorities/rds.pem"
KIND: Final = "Custom::CarillonMigration"
_SOURCES: Final = ("carillon/sql/migrations", "carillon/adapters/postgres")


class Migrations(Construct):
    """The function that migrates, and a resource per phase.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: whose database; `database_url` goes before the secret.
        network: where the function runs.
        secret: the log-in of the tables' owner.
        key: what the secret is encrypted with.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        secret: secretsmanager.ISecret,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        brought = bool(stage.database_url)
        if not brought:
            _check_known(cdk.Stack.of(self).region)
        given = {"database_url": stage.database_url} if brought else {"owner_secret": secret.secret_arn}
        self._migrate = ProductFunction(
            self,
            "Migrate",
            stage=stage,
            handler="lambdas.migrate.handler",
            environment=environment(MigrationSettings, **given),
            network=network,
            timeout_s=TIMEOUT_S,
        )
        if not brought:
            secret.grant_read(self._migrate.function)
            key.grant_decrypt(self._migrate.function)

    def phase(
        self, scope: Construct, construct_id: str, phase: str, dependencies: Sequence[IDependable] = ()
    ) -> cdk.CustomResource:
        """A phase as a resource of any stack.

        Args:
            scope: where the resource is made.
            construct_id: what it is called there.
            phase: `pre` before new code takes traffic, `post` after.
            dependencies: what must be there before it runs.
        """
        run = cdk.CustomResource(
            scope,
            construct_id,
            service_token=self._migrate.function.function_arn,
            resource_type=KIND,
            properties={"Phase": phase, "Migrations": fingerprint()},
            service_timeout=cdk.Duration.seconds(TIMEOUT_S + 60),
        )
        run.node.add_dependency(*dependencies)
        return run


def _check_known(region: str) -> None:
    """Said before Aurora is made, which takes a quarter of an hour.

    Raises:
        ConfigError: nobody whom the migrations trust vouches for databases of this Region.
    """
    if f"# Amazon RDS {region} Root CA" not in (ROOT / AUTHORITIES).read_text():
        raise ConfigError(
            f"{region}: its RDS authorities are not in {AUTHORITIES}; add those of the Region's bundle "
            f"(https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem) with their names above them"
        )


def fingerprint() -> str:
    """Of all that a migration runs: when it changes, CloudFormation runs it again."""
    found = sorted(path for source in _SOURCES for path in (ROOT / source).iterdir() if path.suffix in {".sql", ".py"})
    digest = sha256()
    for path in found:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
