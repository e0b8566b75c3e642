"""What a run found, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from local.deploy.smoke import TEAM

if TYPE_CHECKING:
    from local.deploy.inventory import Inventory
    from local.deploy.smoke import Smoke


@dataclasses.dataclass(frozen=True)
class Report:
    """A run in which everything held.

    Attributes:
        inventory: what was deployed.
        migrations: what the deployed function ran.
        smoke: what the broadcasts took.
        steps: seconds by step.
        seconds: the whole run.
    """

    inventory: Inventory
    migrations: list[str]
    smoke: Smoke
    steps: dict[str, float]
    seconds: float

    def as_json(self) -> str:
        """The report as a JSON document."""
        document = {
            "seconds": self.seconds,
            "steps": self.steps,
            "stacks": self.inventory.stacks,
            "types": self.inventory.types,
            "shimmed": self.inventory.shimmed,
            "migrations": self.migrations,
            "smoke": dataclasses.asdict(self.smoke),
        }
        return json.dumps(document, indent=2) + "\n"

    def as_text(self) -> str:
        """The report as a few lines."""
        deployed, smoke = self.inventory, self.smoke
        resources, shimmed = sum(deployed.stacks.values()), sum(deployed.shimmed.values())
        kinds = ", ".join(kind.removeprefix("AWS::") for kind in deployed.shimmed)
        received = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in smoke.received.items())
        lines = [
            "",
            f"deployed  {len(deployed.stacks)} stacks, {resources} resources of {len(deployed.types)} types: "
            + ", ".join(f"{name.rpartition('-')[2]} {count}" for name, count in deployed.stacks.items()),
            f"shimmed   {shimmed} resources of {len(deployed.shimmed)} types: {kinds}",
            f"migrated  {len(self.migrations)} migrations by the deployed function",
            f"connected {len(TEAM) - 1} people in {smoke.connected:.1f} s",
            f"received  by everybody after {received}",
            f"recovered by who connected afterwards in {smoke.recovered * 1000:.0f} ms",
            f"verified  {smoke.totals.get('delivered', 0)} deliveries acked, clean",
            f"in all    {self.seconds:.0f} s",
        ]
        return "\n".join(lines)
