"""Who may do what in the database where people and programs log in by IAM: Aurora.

Three roles. The owner runs the migrations, with a password. `carillon_app` is the product: it reads and writes rows,
and has a token for a password. `carillon_tables` owns the table of deliveries, whose weekly partitions come and go
while the product runs; both are members of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from carillon.names import DATABASE_LOGIN, DATABASE_TABLES

if TYPE_CHECKING:
    from psycopg import Connection

_IAM: Final = "rds_iam"
"""Aurora's role: its members log in with a token, and with nothing else."""
_MAKER: Final = "carillon_maker"
_LIMITS: Final = {"statement_timeout": "5s", "lock_timeout": "5s"}
"""As `CARILLON_DATABASE_TIMEOUT_S` has it where a connection may bring options, which RDS Proxy does not allow."""
_RIGHTS: Final = (
    "GRANT USAGE, CREATE ON SCHEMA public TO {tables}",
    "GRANT USAGE ON SCHEMA public TO {login}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {login}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {login}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {login}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {login}",
    "REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM {login}",
)
_DELIVERIES: Final = (
    "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
    " WHERE r.rolname <> %s AND (c.oid = 'deliveries'::regclass"
    " OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'deliveries'::regclass))"
)


def ensure_login(connection: Connection[Any]) -> bool:
    """Make the product's role and renew its rights, in one transaction; says whether this database logs in by IAM."""
    if not _there(connection, _IAM):
        return False
    with connection.transaction():
        if not _there(connection, DATABASE_TABLES):
            _run(connection, "CREATE ROLE {tables} NOLOGIN")
            _run(connection, "GRANT {tables} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")
        if not _there(connection, DATABASE_LOGIN):
            _make_login(connection)
        for right in _RIGHTS:
            _run(connection, right)
        for row in connection.execute(_DELIVERIES, [DATABASE_TABLES]).fetchall():
            _run(connection, "ALTER TABLE {table} OWNER TO {tables}", table=row[0])
    return True


def own_as(connection: Connection[Any], table: str, *, like: str) -> None:
    """Give a new table to whom another belongs, so that it does not matter who made it."""
    row = connection.execute(
        "SELECT r.rolname, r.rolname = current_user FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE c.oid = %s::regclass",
        [like],
    ).fetchone()
    assert row is not None
    owner, already = row.values() if isinstance(row, dict) else row
    if not already:
        _run(connection, "ALTER TABLE {table} OWNER TO {owner}", table=table, owner=owner)


def _make_login(connection: Connection[Any]) -> None:
    """Make it by another role, which is gone before anybody looks.

    Whoever makes a role becomes its member, and Aurora lets members of members of `rds_iam` in by token alone: the
    owner would lose its password.
    """
    _run(connection, "CREATE ROLE {maker} NOLOGIN CREATEROLE")
    _run(connection, "GRANT {maker} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
    _run(connection, "SET LOCAL ROLE {maker}")
    _run(connection, "CREATE ROLE {login} LOGIN")
    for name, value in _LIMITS.items():
        _run(connection, "ALTER ROLE {login} SET {name} TO {value}", name=name, value=sql.Literal(value))
    _run(connection, "RESET ROLE")
    _run(connection, "GRANT {tables} TO {login} WITH INHERIT TRUE, SET TRUE")
    _run(connection, "GRANT {iam} TO {login}")
    _run(connection, "DROP ROLE {maker}")


def _there(connection: Connection[Any], role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _run(connection: Connection[Any], statement: str, **names: str | sql.Literal) -> None:
    known = {"login": DATABASE_LOGIN, "tables": DATABASE_TABLES, "maker": _MAKER, "iam": _IAM}
    words = {
        key: name if isinstance(name, sql.Literal) else sql.Identifier(name) for key, name in {**known, **names}.items()
    }
    connection.execute(sql.SQL(statement).format(**words))
