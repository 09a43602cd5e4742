"""What ingest says of the same mistakes: it warns or holds where `cic streams check` ended with 1, and nowhere else."""

from __future__ import annotations

import datetime as dt

from dagster import AssetCheckKey, DagsterInstance

from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.assets.accepted import ingest_keys
from cic_assets.orchestrate.assets.keys import accepted_key
from cic_assets.orchestrate.assets.stream_checks import check_specs
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.runner import Runner
from cic_assets.settings import Settings
from tests.end_to_end.mistakes import MISTAKES

# Held as a whole, held unread, warned of, seen by neither, and none; all of them take minutes.
CHOSEN = (
    "none", "unit: Wh read as kWh", "offset: the local clock taken for UTC", "currency sign",
    "a personal field's name", "status: a word of the feed's own",
)  # fmt: skip


def said_by_ingest(instance: DagsterInstance, stream: Stream) -> dict[str, str]:
    """The checks of a stream that failed, and what they say."""
    store, found = instance.event_log_storage, {}
    for spec in check_specs(stream):
        for record in store.get_asset_check_execution_history(AssetCheckKey(accepted_key(stream), spec.name), limit=1):
            assert record.event and record.event.dagster_event
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            if not evaluation.passed:
                found[spec.name] = evaluation.description or ""
    return found


def test_ingest_warns_or_holds_where_the_check_failed(settings: Settings, tmp_path):
    settings.home.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in MISTAKES if each.name in CHOSEN]
    assert len(chosen) == len(CHOSEN)
    streams = {}
    for number, mistake in enumerate(chosen):
        stream = parse_stream({**mistake.stream_file(), "id": f"m{number:02}"})
        streams[stream.id] = stream
        sent = tmp_path / stream.id / mistake.file
        sent.parent.mkdir()
        sent.write_bytes(mistake.content)
        land(parts_of(settings), stream, sent)
    with DagsterInstance.ephemeral() as instance:
        today = dt.datetime.now(dt.UTC).date()
        # Without the marts, which are none of it.
        Runner(settings, streams, instance).run("ingest", today, today, assets=ingest_keys(streams.values()))
        said = {
            mistake.name: said_by_ingest(instance, stream)
            for mistake, stream in zip(chosen, streams.values(), strict=True)
        }
    assert {name: bool(found) for name, found in said.items()} == {each.name: each.code == 1 for each in chosen}, said
    assert {name for name, found in said.items() if "held" in found} == {each.name for each in chosen if each.held}, (
        said
    )
