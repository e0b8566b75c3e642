"""Makes june-saturday.csv and june-saturday.ndjson: one Saturday in June, as a wedding business would list it.

Seeded: running it again makes the same files.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Final

from carillon.rows import COLUMNS

FOLDER: Final = Path(__file__).resolve().parent
DAY: Final = "2027-06-12"
PLACES: Final = (
    ("Europe/Lisbon", 5),
    ("Europe/London", 4),
    ("Europe/Paris", 3),
    ("Europe/Berlin", 3),
    ("Europe/Athens", 2),
    ("America/New_York", 4),
    ("America/Chicago", 2),
    ("America/Denver", 1),
    ("America/Los_Angeles", 2),
)
FIRST: Final = (
    "Ana", "Ben", "Clara", "David", "Elena", "Finn", "Grace", "Hugo", "Inês", "Jack", "Kira", "Leo", "Mia", "Noah",
    "Olivia", "Paul", "Quinn", "Rosa", "Sam", "Tess", "Uma", "Victor", "Wendy", "Xavier", "Yara", "Zoe", "Amélie",
    "Björn", "Chiara", "Dimitri", "Eva", "Frida", "Giorgos", "Hanna", "Ivan", "Júlia", "Karim", "Linda", "Marco",
    "Nora",
)  # fmt: skip
LAST: Final = (
    "Almeida", "Brown", "Costa", "Dubois", "Evans", "Fischer", "García", "Hughes", "Ivanov", "Jensen", "Keller",
    "Lopes", "Martin", "Novak", "O'Brien", "Pereira", "Quintero", "Rossi", "Schmidt", "Taylor", "Ueda", "Vidal",
    "Walker", "Young", "Zimmermann", "Papadopoulos", "Müller", "Silva", "Clarke", "Moreau",
)  # fmt: skip
TRADES: Final = {
    "flowers": ("Florist", 3),
    "photo": ("Photographer", 3),
    "catering": ("Caterer", 6),
    "music": ("Band", 5),
    "transport": ("Driver", 3),
}
HOURS: Final = ("13:00", "14:00", "14:30", "15:00", "15:30", "16:00", "17:00")
SMALL: Final = 3
Row = dict[str, object]


def main() -> None:
    """Write both files."""
    rows = saturday(random.Random("june-saturday"))
    with (FOLDER / "june-saturday.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    small = [row for row in rows if str(row["wedding_id"]) in {f"W{number}" for number in range(1, SMALL + 1)}]
    with (FOLDER / "june-saturday.ndjson").open("w", encoding="utf-8") as file:
        for row in small:
            file.write(json.dumps({key: value for key, value in row.items() if value != ""}, ensure_ascii=False) + "\n")


def saturday(dice: random.Random) -> list[Row]:
    """All rows: 26 weddings, each with its couple, planner, suppliers' people and guests."""
    rows: list[Row] = []
    zones = [zone for zone, count in PLACES for _ in range(count)]
    staff: dict[tuple[str, str], list[Row]] = {}
    planners: dict[str, list[Row]] = {}
    for number, zone in enumerate(zones, start=1):
        wedding, couple = _wedding(number, zone, dice)
        people = [*couple, *_planners(zone, planners, dice)]
        for trade in dice.sample(sorted(TRADES), 4):
            people += _crew(trade, zone, staff, dice)
        people += [_guest(number, index, zone, dice) for index in range(1, dice.randint(45, 75))]
        for index, person in enumerate(people):
            # A wedding's columns are only filled in once, as people do in a spreadsheet.
            rows.append((wedding if index == 0 else {"wedding_id": wedding["wedding_id"]}) | person)
    return [{column: row.get(column, "") for column in COLUMNS} for row in rows]


def _wedding(number: int, zone: str, dice: random.Random) -> tuple[Row, list[Row]]:
    one, two = (_name(dice) for _ in range(2))
    wedding: Row = {
        "wedding_id": f"W{number}",
        "wedding_name": f"{one.split()[0]} & {two.split()[0]}",
        "starts_at": f"{DAY} {dice.choice(HOURS)}",
        "wedding_time_zone": zone,
        "status": "confirmed" if number % 9 else "planned",
        "guests": dice.randint(60, 220),
    }
    couple: list[Row] = [
        {"user_id": f"w{number}-couple-{index}", "name": name, "role": "couple", "tier": "paid", "time_zone": zone}
        for index, name in enumerate((one, two), start=1)
    ]
    return wedding, couple


def _planners(zone: str, planners: dict[str, list[Row]], dice: random.Random) -> list[Row]:
    """One planner per place and some fifth wedding with a second one; they plan all weddings there."""
    key = zone.rsplit("/", maxsplit=1)[-1].lower().replace("_", "-")
    if zone not in planners:
        planners[zone] = [
            {
                "user_id": f"planner-{key}-{index}",
                "name": _name(dice),
                "role": "planner",
                "tier": "premium",
                "time_zone": zone,
            }
            for index in (1, 2)
        ]
    return planners[zone] if dice.random() < 0.2 else planners[zone][:1]


def _crew(trade: str, zone: str, staff: dict[tuple[str, str], list[Row]], dice: random.Random) -> list[Row]:
    """The people of the place's supplier of that trade: the same ones for every wedding there on that day."""
    key = zone.rsplit("/", maxsplit=1)[-1].lower().replace("_", "-")
    title, count = TRADES[trade]
    if (trade, zone) not in staff:
        tier = dice.choice(("free", "paid", "paid", "premium"))
        staff[trade, zone] = [
            {
                "user_id": f"{trade}-{key}-{index}",
                "name": f"{_name(dice)} ({title})",
                "role": "vendor",
                "tier": tier,
                "time_zone": zone,
                "supplier_id": f"{trade}-{key}",
            }
            for index in range(1, count + 1)
        ]
    return staff[trade, zone]


def _guest(number: int, index: int, zone: str, dice: random.Random) -> Row:
    """Most guests live where the wedding is; some come from afar, and are woken by their own clock."""
    home = zone if dice.random() < 0.8 else dice.choice([place for place, _ in PLACES])
    return {
        "user_id": f"w{number}-guest-{index}",
        "name": _name(dice),
        "role": "guest",
        "tier": "free",
        "time_zone": home,
    }


def _city(zone: str) -> str:
    return zone.rsplit("/", maxsplit=1)[-1].lower().replace("_", "-")


def _name(dice: random.Random) -> str:
    return f"{dice.choice(FIRST)} {dice.choice(LAST)}"


if __name__ == "__main__":
    main()
