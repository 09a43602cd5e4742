"""The yardstick of the speed benchmark: the same facts as a good analyst would write them by hand, without a platform.

`python -m tests.bench.by_hand duckdb|numpy FOLDER OUT` reads a simulated county (`cic simulate --dirt 0`) and writes
OUT/status_days.parquet, and with DuckDB OUT/sessions.parquet. Only clean feeds come out right: no rules, no quarantine,
no restatement, one connector for each charge point.

What is known of the feeds beyond their rows is taken from the rows themselves, as the truth beside the files has it:

- a feed's days begin with the local day of its first word (of a daily poll: of its first poll);
- it is covered up to its last word, poll or snapshot; from then on time is unreported, whatever the state was;
- all days end with the one before the local day of the county's last word, which a poll on the morning after says;
- a poll or snapshot is a word at its own time, so that it confirms. A poll that tells since when a state holds says
  one word more, at that instant, but none before the feed's first poll.

So a charge point's time is a chain of words: each holds until the next one, the end of its silence or of the cover.
What is left of a day, after the known states and the time before the first word, is unreported. Dates in the names of
files, when they arrived, decide which version of a session is the last one.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

if TYPE_CHECKING:
    import duckdb  # type: ignore[import-not-found, unused-ignore]

LONDON = ZoneInfo("Europe/London")
HOUR, DAY = 3600, 86400
STATES = (
    "available", "blocked", "charging", "inoperative", "outoforder", "planned", "removed", "reserved", "unknown",
)  # fmt: skip
UNKNOWN = STATES.index("unknown")
# These states are believed without another word.
LASTING = (STATES.index("planned"), STATES.index("removed"))
COLUMNS = (*(f"{state}_seconds" for state in STATES), "unreported_seconds", "unobserved_seconds")

OCPI = {state.upper(): state for state in STATES}
OCPP = {
    "Available": "available", "Reserved": "reserved", "Unavailable": "inoperative", "Faulted": "outoforder",
    # 2.0.1 says the first one, 1.6 the others.
    **dict.fromkeys(("Occupied", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"), "charging"),
}  # fmt: skip


@dataclass(frozen=True)
class Feed:
    """How a provider's states are read.

    Attributes:
        party: what its charge points' ids begin with.
        words: the feed's word → state; others are unknown.
        silence: seconds for which a word is believed.
        snapshot_silence: the same of a snapshot beside a log. One comes each week, before the log's last word is too
            old, so no older word is ever believed for longer than the latest one.
    """

    party: str
    words: dict[str, str]
    silence: int
    snapshot_silence: int = 0


FEEDS = {
    "ashbourne": Feed(
        "ashbourne-power",
        {"Free": "available", "In use": "charging", "Faulty": "outoforder", "Closed": "inoperative"},
        3 * HOUR // 2,
    ),
    "brackendale": Feed("GB*BRK", OCPI, 7 * DAY, 21 * DAY),
    "cranmere": Feed("cranmere-energy", OCPP, 7 * DAY),
    "dunholt": Feed("GB*DUN", OCPP, 7 * DAY),
    "elmsworth": Feed("GB*ELM", {"WORKING": "available", "FAULTED": "outoforder"}, 3 * DAY),
}
# Whose facts are computed: all five.
PROVIDERS = tuple(FEEDS)


def _files(folder: Path, *patterns: str) -> list[Path]:
    """Files that hold something: a week without a word is an empty file."""
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return [path for path in found if path.stat().st_size]


def _midnight(day: int) -> int:
    """When a local day begins, counted from 1970."""
    date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    return int(dt.datetime(date.year, date.month, date.day, tzinfo=LONDON).timestamp())


def _offset(moment: int) -> int:
    offset = dt.datetime.fromtimestamp(moment, LONDON).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _local_day(moment: int) -> int:
    return (moment + _offset(moment)) // DAY


@dataclass(frozen=True)
class Calendar:
    """The local days of a county, counted from 1970.

    Attributes:
        first_days: by provider.
        first: of all of them.
        midnights: when each day begins, and when the last one ends.
    """

    first_days: dict[str, int]
    first: int
    midnights: list[int]

    @classmethod
    def of(cls, told: dict[str, tuple[int, int]]) -> Calendar:
        """By each provider's first word and its last one."""
        first_days = {provider: _local_day(since) for provider, (since, _) in told.items()}
        first, today = min(first_days.values()), max(_local_day(until) for _, until in told.values())
        return cls(first_days, first, [_midnight(day) for day in range(first, today + 1)])

    def changes(self) -> list[int]:
        """When the clocks change."""
        days = zip(self.midnights, self.midnights[1:], strict=False)
        hours = (range(begins, ends, HOUR) for begins, ends in days if ends - begins != DAY)
        return [next(hour for hour in day if _offset(hour) != _offset(day[0])) for day in hours]


# DuckDB ---------------------------------------------------------------------------------------------------------------

# What listings tell of each EVSE.
LISTED = """
create or replace temp table listed as
select seen_at, unnest(site.evses) as evse
from (
  select seconds("timestamp") as seen_at, unnest(data) as site
  from read_json(
    getvariable('listings'), format = 'unstructured', maximum_object_size = getvariable('size'), columns = {
      "timestamp": 'timestamptz',
      data: 'struct(evses struct(uid varchar, evse_id varchar, status varchar, last_updated timestamptz)[])[]'
    }
  )
)
"""
# Every word that a provider says: name, moment, state, silence.
POLLED = """
select Charger as name, seconds("Polled at") as moment, state_of(State) as state, getvariable('silence') as silence
from read_csv(getvariable('log'), auto_detect = false, header = true, columns = {
  'Polled at': 'timestamptz', Charger: 'varchar', State: 'varchar'
})
"""
PATCHED = """
select split_part(path, '/', -1) as name, seconds(body.last_updated) as moment, state_of(body.status) as state,
  getvariable('silence') as silence
from read_json(getvariable('log'), format = 'nd', columns = {
  path: 'varchar', body: 'struct(status varchar, last_updated timestamptz)'
})
where body.status is not null
union all
select evse.uid, seen_at, state_of(evse.status), getvariable('snapshot_silence') from listed
"""
OCPP16 = """
select station as name, seconds(payload.timestamp) as moment, state_of(payload.status) as state,
  getvariable('silence') as silence
from read_json(getvariable('log'), format = 'nd', columns = {
  station: 'varchar', action: 'varchar', payload: 'struct(status varchar, "timestamp" timestamptz)'
})
where action = 'StatusNotification'
"""
OCPP201 = """
select concat(station, '-', payload.evseId) as name, seconds(payload.timestamp) as moment,
  state_of(payload.connectorStatus) as state, getvariable('silence') as silence
from read_json(getvariable('log'), format = 'nd', columns = {
  station: 'varchar', action: 'varchar',
  payload: 'struct("timestamp" timestamptz, connectorStatus varchar, evseId integer)'
})
where action = 'StatusNotification'
"""
# The same instant stands in each listing until the next change.
PULLED = """
select evse.evse_id as name, seen_at as moment, state_of(evse.status) as state, getvariable('silence') as silence
from listed
union all
select distinct evse.evse_id, greatest(seconds(evse.last_updated), (select min(seen_at) from listed)),
  state_of(evse.status), getvariable('silence')
from listed
"""
WORDS = {
    "ashbourne": POLLED, "brackendale": PATCHED, "cranmere": OCPP16, "dunholt": OCPP201, "elmsworth": PULLED,
}  # fmt: skip
# Where a log is read, and listings.
LOGS = {
    "ashbourne": "ashbourne_poll_*.csv",
    "brackendale": "brackendale_status_*.jsonl",
    "cranmere": "cranmere_ocpp_*.jsonl",
    "dunholt": "dunholt_ocpp_*.jsonl",
}
LISTINGS = {provider: f"{provider}_locations_*.json" for provider in ("brackendale", "elmsworth")}

# A snapshot at the instant of a log's word was taken before it; its silence is the longer one.
# Most of what a state lasts lies within one day; only the rest is cut at midnights.
STATUS_DAYS = f"""
insert into status_days
with held as (
  select name, state, moment as since, least(
    lead(moment, 1, getvariable('until')) over (partition by name order by moment, silence desc, place),
    if(state in {LASTING}, getvariable('cover'), moment + silence), getvariable('cover'), getvariable('until')
  ) as until
  from words
), dated as (
  select *, local_day(since) as first_day, local_day(until - 1) as last_day from held where since < until
), cut as (
  select name, first_day as day, state, until - since as seconds from dated where first_day = last_day
  union all
  select name, day, state, least(until, ends) - greatest(since, begins)
  from (select *, unnest(range(first_day, last_day + 1)) as day from dated where first_day < last_day)
  join days using (day)
), spent as (
  select name, day, state, sum(seconds) as seconds from cut group by all
), known as (
  select name, day, sum(seconds) as seconds,
    {", ".join(f"sum(seconds) filter (state = {place}) as s{place}" for place in range(len(STATES)))}
  from spent group by name, day
), grid as (
  select name, day, ends - begins as length, greatest(least(heard, ends) - begins, 0) as unobserved
  from (select name, min(moment) as heard from words group by name) cross join days
  where day >= getvariable('first_day')
)
select concat(getvariable('party'), '/', coalesce(evse_id, name)), date '1970-01-01' + day::integer,
  {", ".join(f"coalesce(s{place}, 0)" for place in range(len(STATES)))},
  length - coalesce(seconds, 0) - unobserved, unobserved
from grid left join known using (name, day) left join names using (name)
"""

# A version of a session: the last one that arrived counts.
CSV_SESSIONS = """
insert into sessions
select concat(getvariable('provider'), '_sessions'), Session, concat(getvariable('party'), '/', Charger),
  from_wall(Started, is_export), from_wall(Ended, is_export), kWh, "Paid GBP"
from (
  select *, contains(filename, '_export_') as is_export
  from read_csv(getvariable('sessions'), auto_detect = false, header = true, filename = true, columns = {
    Session: 'varchar', Charger: 'varchar', Socket: 'varchar', Started: 'varchar', Ended: 'varchar',
    kWh: 'decimal(12,4)', 'Paid GBP': 'decimal(12,4)', 'Rated kW': 'varchar', RFID: 'varchar'
  })
)
qualify row_number() over (partition by Session order by filename[-14:] desc) = 1
"""
CDRS = """
create or replace temp table cdrs as
select *
from read_json(getvariable('sessions'), format = 'nd', filename = true, columns = {
  id: 'varchar', session_id: 'varchar', start_date_time: 'timestamptz', end_date_time: 'timestamptz',
  cdr_location: 'struct(evse_uid varchar, evse_id varchar)', total_energy: 'decimal(12,4)',
  total_cost: 'struct(excl_vat decimal(12,4))', last_updated: 'timestamptz'
})
qualify row_number() over (partition by id order by last_updated desc, filename desc) = 1;
insert into sessions
select concat(getvariable('provider'), '_sessions'), id,
  concat(getvariable('party'), '/', coalesce(cdr_location.evse_id, cdr_location.evse_uid)),
  start_date_time, end_date_time, total_energy, total_cost.excl_vat
from cdrs
"""
# A CDR stands for its Session; what still runs, was reserved or is invalid is no session yet, or none.
OCPI_SESSIONS = """
insert into sessions
select concat(getvariable('provider'), '_ocpi_sessions'), id,
  concat(getvariable('party'), '/', coalesce(evse_id, evse_uid)), start_date_time, end_date_time, kwh, null
from (
  select *
  from read_json(getvariable('sessions'), format = 'nd', filename = true, columns = {
    id: 'varchar', start_date_time: 'timestamptz', end_date_time: 'timestamptz', kwh: 'decimal(12,4)',
    evse_uid: 'varchar', status: 'varchar', last_updated: 'timestamptz'
  })
  qualify row_number() over (partition by id order by last_updated desc, filename desc) = 1
)
left join names on name = evse_uid
where status = 'COMPLETED' and id not in (select session_id from cdrs)
"""
SESSIONS = {
    "ashbourne": [(CSV_SESSIONS, ["ashbourne_sessions_*.csv"])],
    "brackendale": [(CDRS, ["brackendale_cdrs_*.jsonl"]), (OCPI_SESSIONS, ["brackendale_ocpi_sessions_*.jsonl"])],
    "cranmere": [(CSV_SESSIONS, ["cranmere_export_*.csv", "cranmere_sessions_*.csv"])],
    "dunholt": [(CDRS, ["dunholt_cdrs_*.jsonl"])],
    "elmsworth": [(CSV_SESSIONS, ["elmsworth_sessions_*.csv"])],
}


def duckdb_facts(folder: Path, out: Path) -> None:
    """Status days and sessions with DuckDB: sets of rows only, one window over each charge point's words."""
    import duckdb  # type: ignore[import-not-found, unused-ignore]

    with duckdb.connect(config={"temp_directory": str(out / "spilled")}) as connection:
        # Of two words at one instant the one that stands later counts: rows are numbered in the order of the files.
        connection.execute("set preserve_insertion_order = true; set timezone = 'UTC'")
        connection.execute("create macro seconds(instant) as epoch_us(instant) // 1000000")
        told = {provider: _words_table(connection, folder, provider) for provider in PROVIDERS}
        calendar = Calendar.of(told)
        _calendar_tables(connection, calendar)
        for provider in PROVIDERS:
            party, first_day = FEEDS[provider].party, calendar.first_days[provider]
            _set(connection, provider=provider, party=party, first_day=first_day, cover=told[provider][1])
            for table, more in (("words", "*, rowid as place"), ("names", "*")):
                connection.execute(f"create or replace temp view {table} as select {more} from {provider}_{table}")
            connection.execute(STATUS_DAYS)
            for query, patterns in SESSIONS[provider]:
                if files := _files(folder, *patterns):
                    _set(connection, sessions=files)
                    connection.execute(query)
        for table in ("status_days", "sessions"):
            connection.execute(f"copy {table} to {_literal(out / f'{table}.parquet')} (format parquet)")


def _set(connection: duckdb.DuckDBPyConnection, **variables: int | str | Sequence[int | Path]) -> None:
    for name, value in variables.items():
        connection.execute(f"set variable {name} = {_literal(value)}")


def _literal(value: int | str | Path | Sequence[int | Path]) -> str:
    """As SQL: the first parameter that is bound would import pandas, if it is there, and take longer than a query."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str | Path):
        return "'" + str(value).replace("'", "''") + "'"
    return f"[{', '.join(map(_literal, value))}]"


def _words_table(connection: duckdb.DuckDBPyConnection, folder: Path, provider: str) -> tuple[int, int]:
    """Reads a provider's words, and ids of its EVSEs where listings tell them; returns the first and last moment."""
    feed = FEEDS[provider]
    _set(connection, silence=feed.silence, snapshot_silence=feed.snapshot_silence)
    cases = " ".join(f"when '{word}' then {STATES.index(state)}" for word, state in feed.words.items())
    connection.execute(f"create or replace macro state_of(word) as (case word {cases} else {UNKNOWN} end)::utinyint")
    connection.execute(f"create temp table {provider}_names (name varchar, evse_id varchar)")
    if provider in LOGS:
        _set(connection, log=_files(folder, LOGS[provider]))
    if provider in LISTINGS:
        files = _files(folder, LISTINGS[provider])
        largest = max(path.stat().st_size for path in files)
        _set(connection, listings=files, size=max(2 * largest, 1 << 24))
        connection.execute(LISTED)
        ids = "select evse.uid, any_value(evse.evse_id) from listed group by 1"
        connection.execute(f"insert into {provider}_names {ids}")
    connection.execute(f"create temp table {provider}_words as {WORDS[provider]}")
    found = connection.execute(f"select min(moment), max(moment) from {provider}_words").fetchone()
    if found is None or found[0] is None:
        raise SystemExit(f"{folder}: {provider} says nothing")
    return found[0], found[1]


def _calendar_tables(connection: duckdb.DuckDBPyConnection, calendar: Calendar) -> None:
    """Days, and macros between instants and the wall clock: whole numbers instead of a calendar's work, row by row.

    A wall time that occurs twice is read as the first, one that never occurs moves forward by an hour: both are read
    with the offset before the change.
    """
    begins, changes = calendar.midnights, calendar.changes()
    since = wall = str(_offset(begins[0]))
    for change in changes:
        before, after = _offset(change - 1), _offset(change)
        since += f" + if(moment >= {change}, {after - before}, 0)"
        wall += f" + if(shown >= {change + max(before, after)}, {after - before}, 0)"
    # An export has day and month exchanged where that too gives a date.
    connection.execute(f"""
        create macro local_day(moment) as (moment + {since}) // {DAY};
        create macro utc(shown) as to_timestamp(shown - ({wall}));
        create macro from_wall(shown, is_export) as utc(seconds(strptime(
          if(is_export and shown[1:2] <= '12', concat(shown[4:6], shown[1:3], shown[7:]), shown), '%d/%m/%Y %H:%M')));
        create table sessions (stream_id varchar, session_id varchar, charge_point_id varchar, started_at timestamptz,
          ended_at timestamptz, energy_kwh decimal(12,4), cost decimal(12,4));
        create table status_days (charge_point_id varchar, status_date date, {" bigint, ".join(COLUMNS)} bigint)
    """)
    _set(connection, first=calendar.first, midnights=begins, until=begins[-1])
    connection.execute("""
        create table days as
        select getvariable('first') + place - 1 as day, getvariable('midnights')[place] as begins,
          getvariable('midnights')[place + 1] as ends
        from range(1, len(getvariable('midnights'))) as places(place)
    """)


# numpy ----------------------------------------------------------------------------------------------------------------

# A word is one number, so that one sort orders them all: charge point, moment (32 bits), whether a log says it (at the
# same moment it counts against a snapshot, which was taken before), state (4 bits).
POINT, MOMENT, SAID = 37, 5, 1 << 4
Numbers = np.ndarray[Any, np.dtype[np.int64]]
INSTANT = pa.timestamp("s", "UTC")
EVSE = pa.struct({"uid": pa.string(), "evse_id": pa.string(), "status": pa.string(), "last_updated": INSTANT})


class Words:
    """What a provider says.

    Attributes:
        names: of charge points → their numbers.
        evse_ids: by name, where listings tell other ones.
    """

    def __init__(self, feed: Feed) -> None:
        self.names: dict[str, int] = {}
        self.evse_ids: dict[str, str] = {}
        self._feed, self._parts = feed, list[Numbers]()

    def add(self, names: pa.ChunkedArray, moments: Numbers, words: pa.ChunkedArray, *, said: bool = True) -> None:
        """Takes columns; `/` in a name leads to it."""
        points, distinct = _coded(names)
        ends = [name.rpartition("/")[2] for name in distinct]
        numbers = np.array([self.names.setdefault(name, len(self.names)) for name in ends], np.int64)
        codes, distinct = _coded(words)
        states = [self._feed.words.get(word, "unknown") for word in distinct]
        places = np.array([STATES.index(state) for state in states], np.int64)
        keys: Numbers = numbers[points] << POINT
        keys |= moments << MOMENT
        keys |= places[codes]
        keys |= SAID * said
        self._parts.append(keys)

    def sorted(self) -> Numbers:
        """By charge point and moment."""
        keys = np.concatenate(self._parts)
        keys.sort()
        return keys


def _coded(column: pa.ChunkedArray) -> tuple[Numbers, list[str]]:
    """Places in the list of distinct texts, and that list."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    array = coded.unify_dictionaries().combine_chunks()
    return array.indices.to_numpy(), array.dictionary.to_pylist()


def _seconds(column: pa.ChunkedArray) -> Numbers:
    found: Numbers = column.cast(pa.int64()).to_numpy()
    return found


def _lines(files: Sequence[Path], **fields: pa.DataType) -> pa.Table:
    """JSON lines; the fields of records become columns."""
    options = pyarrow.json.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")
    return pa.concat_tables([pyarrow.json.read_json(path, parse_options=options) for path in files]).flatten()


def _listed(files: Sequence[Path]) -> tuple[pa.Table, Numbers]:
    """EVSEs of listings, and the moments at which they were seen."""
    options = pyarrow.json.ParseOptions(
        explicit_schema=pa.schema({"timestamp": INSTANT, "data": pa.list_(pa.struct({"evses": pa.list_(EVSE)}))}),
        unexpected_field_behavior="ignore",
        newlines_in_values=True,
    )
    evses, moments = [], []
    for path in files:
        # A listing is one value, however large.
        whole = pyarrow.json.ReadOptions(block_size=path.stat().st_size + 1)
        table = pyarrow.json.read_json(path, read_options=whole, parse_options=options)
        sites = table["data"].combine_chunks().flatten()
        found = pa.Table.from_struct_array(pc.struct_field(sites, "evses").flatten())
        evses.append(found)
        moments.append(np.full(len(found), _seconds(table["timestamp"])[0]))
    return pa.concat_tables(evses), np.concatenate(moments)


def _ashbourne(folder: Path, words: Words) -> None:
    text = pa.dictionary(pa.int32(), pa.string())
    types = {"Polled at": INSTANT, "Charger": text, "State": text}
    options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types))
    files = _files(folder, LOGS["ashbourne"])
    table = pa.concat_tables([pyarrow.csv.read_csv(path, convert_options=options) for path in files])
    words.add(table["Charger"], _seconds(table["Polled at"]), table["State"])


def _brackendale(folder: Path, words: Words) -> None:
    body = pa.struct({"status": pa.string(), "last_updated": INSTANT})
    log = _lines(_files(folder, LOGS["brackendale"]), path=pa.string(), body=body)
    log = log.filter(log["body.status"].is_valid())
    words.add(log["path"], _seconds(log["body.last_updated"]), log["body.status"])
    evses, moments = _listed(_files(folder, LISTINGS["brackendale"]))
    words.add(evses["uid"], moments, evses["status"], said=False)
    ids = evses.group_by(["uid", "evse_id"]).aggregate([])
    words.evse_ids.update(zip(ids["uid"].to_pylist(), ids["evse_id"].to_pylist(), strict=True))


def _cranmere(folder: Path, words: Words) -> None:
    payload = pa.struct({"status": pa.string(), "timestamp": INSTANT})
    log = _lines(_files(folder, LOGS["cranmere"]), station=pa.string(), action=pa.string(), payload=payload)
    log = log.filter(pc.equal(log["action"], "StatusNotification"))
    words.add(log["station"], _seconds(log["payload.timestamp"]), log["payload.status"])


def _dunholt(folder: Path, words: Words) -> None:
    payload = pa.struct({"timestamp": INSTANT, "connectorStatus": pa.string(), "evseId": pa.int64()})
    log = _lines(_files(folder, LOGS["dunholt"]), station=pa.string(), action=pa.string(), payload=payload)
    log = log.filter(pc.equal(log["action"], "StatusNotification"))
    names = pc.binary_join_element_wise(log["station"], log["payload.evseId"].cast(pa.string()), "-")
    words.add(names, _seconds(log["payload.timestamp"]), log["payload.connectorStatus"])


def _elmsworth(folder: Path, words: Words) -> None:
    evses, moments = _listed(_files(folder, LISTINGS["elmsworth"]))
    words.add(evses["evse_id"], moments, evses["status"])
    words.add(evses["evse_id"], np.maximum(_seconds(evses["last_updated"]), moments.min()), evses["status"])


READERS = {
    "ashbourne": _ashbourne, "brackendale": _brackendale, "cranmere": _cranmere, "dunholt": _dunholt,
    "elmsworth": _elmsworth,
}  # fmt: skip


def numpy_status(folder: Path, out: Path) -> None:
    """Status days with numpy: one sort of one number for each word."""
    said: dict[str, tuple[Words, Numbers]] = {}
    told: dict[str, tuple[int, int]] = {}
    for provider in PROVIDERS:
        words = Words(FEEDS[provider])
        READERS[provider](folder, words)
        keys = words.sorted()
        moments = _moments(keys)
        said[provider], told[provider] = (words, keys), (int(moments.min()), int(moments.max()))
    calendar = Calendar.of(told)
    tables = [_days_of(provider, *said[provider], told[provider][1], calendar) for provider in PROVIDERS]
    pyarrow.parquet.write_table(pa.concat_tables(tables), out / "status_days.parquet")


def _moments(keys: Numbers) -> Numbers:
    return keys >> MOMENT & (1 << POINT - MOMENT) - 1


def _days_of(provider: str, words: Words, keys: Numbers, cover: int, calendar: Calendar) -> pa.Table:
    first_day = calendar.first_days[provider]
    midnights = np.array(calendar.midnights[first_day - calendar.first :])
    seconds = _spent(keys, FEEDS[provider], len(words.names), cover, midnights)
    # The first word of each charge point.
    heard = _moments(keys[np.diff(keys >> POINT, prepend=-1) > 0])
    lengths = np.diff(midnights)
    unobserved = np.clip(heard[:, None] - midnights[:-1], 0, lengths)
    unreported = lengths - seconds.sum(2) - unobserved
    ids = [f"{words.evse_ids.get(name, name)}" for name in words.names]
    columns = [seconds[:, :, place].ravel() for place in range(len(STATES))]
    days = np.tile(np.arange(first_day, first_day + len(lengths), dtype=np.int32), len(ids))
    return pa.table(
        {
            "charge_point_id": pa.array([f"{FEEDS[provider].party}/{evse_id}" for evse_id in ids]).take(
                pa.array(np.repeat(np.arange(len(ids)), len(lengths)))
            ),
            "status_date": pa.array(days).cast(pa.date32()),
            **dict(zip(COLUMNS, [*columns, unreported.ravel(), unobserved.ravel()], strict=True)),
        }
    )


def _spent(keys: Numbers, feed: Feed, points: int, cover: int, midnights: Numbers) -> Numbers:
    """Seconds by charge point, day and state."""
    point, since, state = keys >> POINT, _moments(keys), keys & SAID - 1
    covered = min(cover, int(midnights[-1]))
    until = np.append(np.where(point[1:] == point[:-1], since[1:], covered), covered)
    silence = np.where(keys & SAID, feed.silence, feed.snapshot_silence) if feed.snapshot_silence else feed.silence
    np.minimum(until, np.where(np.isin(state, LASTING), covered, since + silence), out=until)
    np.minimum(until, covered, out=until)
    held = until > since
    point, since, until, state = point[held], since[held], until[held], state[held]
    day, last = (np.searchsorted(midnights, edge, "right") - 1 for edge in (since, until - 1))
    shape = (points, len(midnights) - 1, len(STATES))
    # Most of what a state lasts lies within one day; the rest is cut at midnights.
    crossing = np.flatnonzero(day != last)
    spent = until - since
    spent[crossing] = midnights[day[crossing] + 1] - since[crossing]
    parts = last[crossing] - day[crossing]
    which = np.repeat(crossing, parts)
    # 1, 2, … within what each of them crosses.
    later = day[which] + 1 + np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)
    rest = np.minimum(until[which], midnights[later + 1]) - midnights[later]
    size = points * (len(midnights) - 1) * len(STATES)
    cells = np.ravel_multi_index((point, day, state), shape)
    # As doubles, whole numbers of so many seconds are exact.
    sums = np.bincount(cells, spent, size)
    sums += np.bincount(np.ravel_multi_index((point[which], later, state[which]), shape), rest, size)
    return sums.astype(np.int64).reshape(shape)


def main(how: str, folder: Path, out: Path) -> None:
    """Computes one of them."""
    out.mkdir(parents=True, exist_ok=True)
    {"duckdb": duckdb_facts, "numpy": numpy_status}[how](folder, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
