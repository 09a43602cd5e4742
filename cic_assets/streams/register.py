"""What the warehouse knows of stream files and rules, for marts to show."""

from __future__ import annotations

from collections.abc import Iterable

from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rules import CROSS_RULES, RULES
from cic_assets.kinds.sessions.stream import SessionsStream
from cic_assets.kinds.status.stream import StatusStream
from cic_assets.kinds.stream import Stream
from cic_assets.warehouse.connect import Connection


def register_streams(connection: Connection, streams: Iterable[Stream], rule_set: str | None) -> None:
    """The stream files' facts that marts show, and the rules with their messages."""
    for stream in streams:
        connection.execute(
            "insert into catalogue.stream (stream_id, kind, provider_id, provider_name, authority_id, authority_name,"
            " zone, licence, contact, rule_set, vat_basis, max_silence, reports_use, is_hub, ends, has_facts,"
            " fingerprint)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (stream_id) do update set kind = excluded.kind, provider_id = excluded.provider_id,"
            " provider_name = excluded.provider_name, authority_id = excluded.authority_id,"
            " authority_name = excluded.authority_name, zone = excluded.zone, licence = excluded.licence,"
            " contact = excluded.contact, rule_set = excluded.rule_set, vat_basis = excluded.vat_basis,"
            " max_silence = excluded.max_silence, reports_use = excluded.reports_use,"
            " is_hub = excluded.is_hub, ends = excluded.ends, has_facts = excluded.has_facts,"
            " fingerprint = excluded.fingerprint"
            " where (stream.fingerprint, stream.rule_set, stream.ends, stream.has_facts)"
            " is distinct from (excluded.fingerprint, excluded.rule_set, excluded.ends, excluded.has_facts)",
            [
                stream.id, stream.kind, stream.provider.id, stream.provider.name, stream.authority.id,
                stream.authority.name, stream.zone, stream.licence, stream.contact, rule_set or stream.rule_set,
                stream.vat_basis if isinstance(stream, SessionsStream) else None,
                stream.silence if isinstance(stream, StatusStream) else None,
                stream.reports_use if isinstance(stream, StatusStream) else None,
                stream.is_hub,
                stream.ends if isinstance(stream, StatusStream) else None,
                KINDS[stream.kind].has_facts,
                stream.fingerprint(),
            ],
        )  # fmt: skip
    said = [(rule.id, rule.severity, rule.message, rule.source) for rule in RULES]
    said += [(rule.id, "flag", rule.message, rule.source) for rule in CROSS_RULES.values()]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into quality.rule values (%s, %s, %s, %s) on conflict (rule_id) do update set"
            " severity = excluded.severity, message = excluded.message, source = excluded.source",
            said,
        )
