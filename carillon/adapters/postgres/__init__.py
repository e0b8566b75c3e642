"""PostgreSQL: the one store that is right."""

from carillon.adapters.postgres.database import Database
from carillon.adapters.postgres.migrate import Phase, migrate

__all__ = ["Database", "Phase", "migrate"]
