"""PostgreSQL: the one store that is right."""

from carillon.adapters.postgres.database import Database
from carillon.adapters.postgres.migrate import migrate

__all__ = ["Database", "migrate"]
