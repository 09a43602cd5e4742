"""The customer's exchange: OCPI sessions and NGSI-LD style locations as its Kafka Connect sink lays them into a lake.

The layout is that of Urban-Data-Collective/kafka-connect-storage-cloud, `UdxStreamPartitioner`:
stream_uuid=…/entity_id=…/year_month=…/day=…/hour=…/<topic>+<partition>+<offset>.json, and `invalid_payloads/`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from cic_assets.simulate.clock import DAY, HOUR, date_of, utc
from cic_assets.simulate.county import County
from cic_assets.simulate.dirt import Row
from cic_assets.simulate.life import Charge

FOLDER = "exchange"
# One message in so many is of each kind that the sink calls invalid.
INVALID_EVERY = 300


class Exchange:
    """One provider's messages of one kind.

    Attributes:
        stream_uuid: of the offering.
        counted: messages by where they went: `stream`, `corrupt`, `no_id`, `bad_timestamp`; also of the county.
    """

    def __init__(self, county: County, topic: str, seed: str, dirt: float) -> None:
        self.stream_uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{county.provider.id}/{topic}"))
        self.counted = county.exchange.setdefault(f"{county.provider.name}.{topic}", Counter())
        self._county, self._topic, self._random = county, f"wealdshire.{topic}", Random(f"{seed}:exchange")
        self._every = round(INVALID_EVERY / dirt) if dirt else 0
        self._offset = 0

    def sessions(self, ended: Sequence[tuple[Charge, Row]]) -> None:
        """An OCPI session with a flat `timestamp`, when it starts and when it has ended."""
        party = self._county.provider.party
        messages = []
        for charge, _ in ended:
            body: dict[str, Any] = {
                "id": f"S{charge.session_id[1:]}", "country_code": "GB", "party_id": party,
                "start_date_time": utc(charge.start), "evse_uid": charge.point.name, "connector_id": "1",
                "currency": "GBP",
            }  # fmt: skip
            messages.append((charge.start, {**body, "status": "ACTIVE", "kwh": 0}))
            end = {"end_date_time": utc(charge.end), "status": "COMPLETED", "kwh": charge.energy_wh / 1000}
            messages.append((charge.end, {**body, **end}))
        for moment, body in sorted(messages, key=lambda message: message[0]):
            self._send(moment, {**body, "timestamp": self._written(moment)})

    def locations(self, found: Sequence[dict[str, Any]], moment: int) -> None:
        """OCPI locations as entities, `timestamp` being an NGSI-LD property."""
        for entity in found:
            stamp = {"type": "Property", "value": self._written(moment)}
            self._send(moment, {**entity, "type": "Location", "timestamp": stamp})

    def _written(self, moment: int) -> str | int:
        """ISO 8601, epoch milliseconds, or those as text."""
        return (utc(moment), utc(moment), moment * 1000, str(moment * 1000))[int(self._random.random() * 4)]

    def _send(self, moment: int, body: dict[str, Any]) -> None:
        kind = int(self._random.random() * self._every) if self._every else -1
        folder, text = f"stream_uuid={self.stream_uuid}", json.dumps(body, separators=(",", ":"))
        day, where = date_of(moment), "stream"
        hour = f"year_month={day:%Y-%m}/day={day:%d}/hour={moment % DAY // HOUR:02d}"
        path = f"{folder}/entity_id={escaped(body['id'])}/{hour}"
        if kind == 0:
            where, path = "corrupt", "invalid_payloads/corrupt_payloads"
        elif kind == 1:
            where, path = "no_id", f"invalid_payloads/{folder}"
            text = json.dumps({name: value for name, value in body.items() if name != "id"})
        elif kind == 2:
            where, bad = "bad_timestamp", f"{date_of(moment)}T--:--"
            path = f"invalid_payloads/{folder}/entity_id={escaped(body['id'])}/{escaped(bad)}"
            text = json.dumps({**body, "timestamp": bad})
        line = text if kind == 0 else json.dumps({"payload": text})
        self.counted[where] += 1
        target = self._county.out / FOLDER / path / f"{self._topic}+0+{self._offset:010d}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{line}\n", encoding="utf-8", newline="")
        self._offset += 1


def escaped(name: str) -> str:
    """The sink's way with ids in paths: every char but A-Za-z0-9!-_.*'() becomes _."""
    return re.sub(r"[^A-Za-z0-9!\-_.*'()]", "_", name)
