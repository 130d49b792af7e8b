"""Makes the table of a project without the example: hooks/blank/data/01_raw/parcels.csv.

`python hooks/make_parcels.py` writes the same bytes again.
"""

import csv
import hashlib
import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

PARCELS = 12_000
FIRST, DAYS = datetime(2024, 1, 1, tzinfo=UTC), 240


def write(path: Path) -> None:
    """Write parcels that ship at random times, and the manifest; glass and bad roads break them."""
    chance = random.Random(1)
    times = sorted(chance.uniform(0, DAYS * 24 * 60) for _ in range(PARCELS))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["parcel", "ships_at", "place", "weight", "glass", "delivered_at", "broken"])
        for number, minute in enumerate(times, start=1):
            ships = FIRST + timedelta(minutes=round(minute))
            place = chance.choice(["north", "south", "west"])
            weight = min(99, chance.lognormvariate(1.5, 0.8)) + 0.1
            glass = int(chance.random() < 0.3)
            bad_road = place == "north" and 60 < minute / 24 / 60 < 200
            odds = -2.8 + 0.06 * weight + 1.6 * glass + 1.5 * bad_road
            broken = int(chance.random() < 1 / (1 + math.exp(-odds)))
            arrives = ships + timedelta(hours=round(chance.uniform(20, 120)))
            on_its_way = arrives > FIRST + timedelta(days=DAYS)
            last = ["", ""] if on_its_way else [arrives.isoformat(), broken]
            table.writerow([number, ships.isoformat(), place, f"{weight:.3f}", glass, *last])
    entry = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": PARCELS,
        "source": "generated",
        "licence": "CC0-1.0",
    }
    manifest = json.dumps({path.name: entry}, indent=2)
    path.with_name("manifest.json").write_text(f"{manifest}\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent / "blank/data/01_raw/parcels.csv")
