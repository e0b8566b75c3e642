"""What a run refuses, each with a stable code; docs/SIMULATOR.md lists them."""

from __future__ import annotations

from carillon.errors import InvalidInputError


class ScenarioError(InvalidInputError):
    """There is no such scenario."""

    code = "simulate.scenario"


class WeddingsError(InvalidInputError):
    """So many weddings cannot be played."""

    code = "simulate.weddings"


class SeedError(InvalidInputError):
    """That is no seed."""

    code = "simulate.seed"


class QuotaError(InvalidInputError):
    """That is no rate of requests."""

    code = "simulate.quota"


class ArrivalsError(InvalidInputError):
    """The file of arrivals cannot be read, or a row of it says something impossible."""

    code = "simulate.arrivals"


class OutputError(InvalidInputError):
    """The reports cannot be written there."""

    code = "simulate.out"
