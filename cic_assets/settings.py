"""The platform's settings: the only reader of the environment.

An environment is `local`, `staging` or `prod`. `local` has an embedded default for each part; the others have none, so
that a forgotten variable stops the process instead of filling a folder next to it.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hmac
import os
import pwd
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from cic_assets.calendar import FIRST_DAY, month_of
from cic_assets.errors import PlatformError

Environment = Literal["local", "staging", "prod"]
ENVIRONMENTS: tuple[Environment, ...] = ("local", "staging", "prod")
PACKAGE = Path(__file__).resolve().parent
PROJECT = PACKAGE.parent
# How `CIC_STREAMS` calls the folder of the example feeds, wherever the package is.
EXAMPLES = "examples"
EXAMPLE_STREAMS = PACKAGE / "streams" / EXAMPLES
# In a home: what `CIC_STREAMS` would say; `cic demo` writes it.
STREAMS_OF_HOME = "streams.path"
# In a home: the first day of the first year with data, where `CIC_CALENDAR_START` says no other one.
CALENDAR_OF_HOME = "calendar.start"
# Names of this machine for itself.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
RULE_SETS = ("default", "academic")
# Facts older than this are restated only when somebody asks (numbers.md 2, Restatement).
RESTATEMENT_HORIZON_DAYS = 400
# Imports, Arrow and an engine that computes a day take about as much.
_LEAST_MEMORY = 1 << 30
# Variables of the tests, and those that dbt's profile reads.
_NOT_OURS = ("CIC_TEST_", "CIC_DBT_")
# A secret's name in stream files, and its variable; in a home, the folder of those that are no variables.
SECRET_NAME = r"^[a-z][a-z0-9_]*$"
_SECRET = "CIC_SECRET_"
SECRETS_OF_HOME = "secrets"
# Bytes of a key in `home`; ours have 64.
_SHORTEST_KEY = 16


class SettingsError(PlatformError):
    """A variable is missing or wrong; the message names it and says what it takes."""


@dataclass(frozen=True)
class Settings:
    """What a process was told. Paths are absolute; `None` stands for the embedded part.

    Attributes:
        environment: local, staging or prod.
        home: folder of everything local: embedded Postgres, default lake, key, logs.
        lake: folder or `s3://bucket/prefix`.
        warehouse_url: `postgresql://…`, or None for the embedded server.
        analyst_url: how `cic sql` logs in, or None for the role cic_analyst at `warehouse_url` without a password.
        ui_host: the address that Dagster's UI listens on: 127.0.0.1, or 0.0.0.0 for other machines too.
        ui_names: further names under which it may be asked.
        ui_users: user ids of this machine whose programs it answers, beside the own.
        ui_writes: whether it may start and change things when it is reached from other machines.
        reader_url: the same for `cic sql --role etl`, by the role cic_reader.
        spark: `embedded`, `local[n]` or `sc://host:port`.
        streams: folders of stream files, later ones win by file name; none where nobody has said any.
        rule_set: forces one rule set for all streams, or None.
        personal_key_variable: the key of the keyed hash, or None to keep one in `home`.
        s3_endpoint: S3 that is not Amazon's (`AWS_ENDPOINT_URL`, which Spark and delta-rs read by themselves).
        restatement_horizon_days: age in days up to which computed months restate by themselves.
        memory_bytes: what a process that computes may take, engine included; work is cut into passes accordingly.
        calendar_said: the first day of partitions, the first of a month, or None for the first year with data.
        secrets: those of the environment, by variable; `secret` looks in the home too.
    """

    environment: Environment
    home: Path
    lake: str
    warehouse_url: str | None
    spark: str
    streams: tuple[Path, ...]
    rule_set: str | None
    personal_key_variable: str | None
    restatement_horizon_days: int = RESTATEMENT_HORIZON_DAYS
    s3_endpoint: str | None = None
    analyst_url: str | None = None
    reader_url: str | None = None
    ui_host: str = "127.0.0.1"
    ui_names: tuple[str, ...] = ()
    ui_users: frozenset[int] = frozenset()
    ui_writes: bool = False
    memory_bytes: int = 4 << 30
    calendar_said: dt.date | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def calendar_start(self) -> dt.date:
        """The first day of partitions: as said, as the home keeps it (`keep_calendar`), or of this year.

        `staging` and `prod`, whose machines share no home, have had the same one for ever where nobody says one.
        """
        if self.calendar_said or self.environment != "local":
            return self.calendar_said or FIRST_DAY
        return _kept_calendar(self.home) or _year_of(dt.datetime.now(dt.UTC).date())

    @property
    def engine_bytes(self) -> int:
        """The engine's part of `memory_bytes`; the rest is Python's, Arrow's and delta-rs'."""
        return self.memory_bytes * 2 // 3

    def personal_key(self) -> bytes:
        """The key from which all others are derived (`CIC_PERSONAL_KEY`); made once where the environment is local."""
        if self.personal_key_variable:
            return self.personal_key_variable.encode()
        path = self.home / "personal.key"
        if not path.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.touch(mode=0o600)
            with draft.open("w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            # link, not rename: of two processes that start together, the first one's key stays.
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        key = path.read_bytes()
        if len(key) < _SHORTEST_KEY:
            raise SettingsError(
                f"{path} is no key (a power cut may have emptied it): restore it, or remove it for a new one"
            )
        return key

    def derived_key(self, *purpose: str) -> bytes:
        """A key for one purpose, such as hashes of one authority's persons in one year, from the personal key.

        HMAC as in HKDF's expand step (RFC 5869): who has one of them can neither compute the others nor the personal
        key.
        """
        return hmac.digest(self.personal_key(), "\0".join(("cic", *purpose)).encode(), "sha256")

    def secret(self, name: str) -> str:
        """A secret that a stream file names: of the environment, else of a file that its owner alone may read.

        Raises:
            SettingsError: there is none, others may read it, or it can't stand in a header.
        """
        variable, path = f"{_SECRET}{name.upper()}", self.home / SECRETS_OF_HOME / name
        value, where = self.secrets.get(variable, ""), variable
        if not value:
            value, where = _own_text(path), str(path)
        if not value:
            raise SettingsError(f"no secret {name}: set {variable}, or write it into {path} (mode 0600)")
        if not (value.isascii() and value.isprintable()):
            raise SettingsError(f"{where}: a secret is one line of ASCII")
        return value


def _own_text(path: Path) -> str:
    """A file's text without the end of its line; empty where there is none.

    Raises:
        SettingsError: others than its owner may read it, or it can't be read.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise SettingsError(f"{path}: others may read this secret: chmod 600 {path}")
            return file.read().decode("utf-8", "replace").strip("\r\n")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `CIC_*` variables.

    Raises:
        SettingsError: a variable has a value that it doesn't take, there is none of its name, or staging or prod would
            run an embedded part.
    """
    env = _Read(os.environ if environ is None else environ)
    environment = _choice(env, "CIC_ENVIRONMENT", ENVIRONMENTS, "local")
    rule_set = env.get("CIC_RULE_SET") or None
    if rule_set is not None:
        _choice(env, "CIC_RULE_SET", RULE_SETS, "default")
    home = Path(env.get("CIC_HOME") or PROJECT / ".cic").absolute()
    settings = Settings(
        environment=cast(Environment, environment),
        home=home,
        lake=_lake(env.get("CIC_LAKE"), home),
        warehouse_url=_postgres(env, "CIC_WAREHOUSE_URL"),
        spark=_spark(env.get("CIC_SPARK") or "embedded"),
        streams=_streams(env.get("CIC_STREAMS"), home),
        rule_set=rule_set,
        personal_key_variable=env.get("CIC_PERSONAL_KEY") or None,
        restatement_horizon_days=_days(env.get("CIC_RESTATEMENT_HORIZON_DAYS")),
        s3_endpoint=env.get("AWS_ENDPOINT_URL") or None,
        analyst_url=_postgres(env, "CIC_ANALYST_URL"),
        reader_url=_postgres(env, "CIC_READER_URL"),
        ui_host=_choice(env, "CIC_UI_HOST", ("127.0.0.1", "0.0.0.0"), "127.0.0.1"),
        ui_names=tuple(name.strip().lower() for name in env.get("CIC_UI_NAMES", "").split(",") if name.strip()),
        ui_users=_users(env.get("CIC_UI_USERS", "")),
        ui_writes=_choice(env, "CIC_UI_WRITES", ("true", "false"), "false") == "true",
        memory_bytes=_memory(env.get("CIC_MEMORY")),
        calendar_said=_calendar(env.get("CIC_CALENDAR_START")),
        secrets={name: env[name] for name in env if name.startswith(_SECRET)},
    )
    if settings.environment != "local":
        _refuse_embedded(settings, env)
    _refuse_unknown(env)
    return settings


class _Read(Mapping[str, str]):
    """Variables, and which of them were asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def _refuse_unknown(env: _Read) -> None:
    """A misspelt name would leave its setting at the default, and the right one's work undone, in silence."""
    known = sorted(name for name in env.asked if name.startswith("CIC_"))
    unknown = sorted(
        name for name in env if name.startswith("CIC_") and name not in env.asked and not name.startswith(_NOT_OURS)
    )
    if unknown:
        likely = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {likely[0]}?" if likely else f"there are {', '.join(known)}"
        raise SettingsError(f"{', '.join(unknown)}: no setting of this name; {hint}")


def _refuse_embedded(settings: Settings, env: Mapping[str, str]) -> None:
    """Staging and prod name every part; what is missing is said at once, not one by one."""
    needed = {
        "CIC_LAKE": bool(env.get("CIC_LAKE")),
        "CIC_WAREHOUSE_URL": settings.warehouse_url is not None,
        "CIC_SPARK": settings.spark != "embedded",
        "CIC_PERSONAL_KEY": settings.personal_key_variable is not None,
    }
    missing = [name for name, there in needed.items() if not there]
    if missing:
        raise SettingsError(
            f"CIC_ENVIRONMENT={settings.environment} runs no embedded parts: set {', '.join(missing)} "
            "(`cic doctor` says what each one takes)"
        )


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = env.get(name) or default
    if value not in choices:
        raise SettingsError(f"{name}={value!r}: choose one of {', '.join(choices)}")
    return value


def _lake(value: str | None, home: Path) -> str:
    if not value:
        return str(home / "lake")
    if value.startswith("s3://"):
        if not value.removeprefix("s3://").strip("/"):
            raise SettingsError(f"CIC_LAKE={value!r}: give s3://bucket/prefix")
        return value.rstrip("/")
    if "://" in value:
        raise SettingsError(f"CIC_LAKE={value!r}: give a folder or s3://bucket/prefix")
    return str(Path(value).absolute())


def _postgres(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name)
    if value and not value.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"{name}: give postgresql://user:password@host:port/database")
    if value and re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise SettingsError(f"{name}: % must be followed by two hexadecimal digits; of a password, write % as %25")
    return value or None


def _spark(value: str) -> str:
    if value == "embedded" or value.startswith("sc://") or (value.startswith("local[") and value.endswith("]")):
        return value
    raise SettingsError(f"CIC_SPARK={value!r}: choose embedded, local[*] (needs Java 17+) or sc://host:port")


def keep_calendar(settings: Settings, oldest: dt.date | None) -> None:
    """Keeps in the home the year in which the calendar begins; it only ever moves back, so that no partition goes.

    Definitions are loaded by many processes, some without a warehouse, and all must have the same partitions: so what
    the warehouse knows is asked by a command, and what definitions read is a file.

    Args:
        settings: of a `local` environment where nobody says when the calendar begins; else nothing is kept.
        oldest: the oldest day with data; None where there is none.
    """
    if settings.calendar_said or settings.environment != "local":
        return
    kept = settings.calendar_start
    found = _year_of(max(oldest, FIRST_DAY)) if oldest else kept
    if found < kept or _kept_calendar(settings.home) is None:
        settings.home.mkdir(parents=True, exist_ok=True)
        draft = settings.home / f"{CALENDAR_OF_HOME}.{os.getpid()}"
        draft.write_text(f"{min(found, kept)}\n")
        draft.replace(settings.home / CALENDAR_OF_HOME)


def _kept_calendar(home: Path) -> dt.date | None:
    """What the home keeps; None where that is nothing, as a power cut may leave it."""
    try:
        return dt.date.fromisoformat((home / CALENDAR_OF_HOME).read_text().strip())
    except (FileNotFoundError, ValueError):
        return None


def _year_of(day: dt.date) -> dt.date:
    return day.replace(month=1, day=1)


def _calendar(value: str | None) -> dt.date | None:
    if not value:
        return None
    today = dt.datetime.now(dt.UTC).date()
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        day = dt.date.max
    if not FIRST_DAY <= day <= today:
        raise SettingsError(f"CIC_CALENDAR_START={value!r}: give a day from {FIRST_DAY} to today, such as 2024-01-01")
    return month_of(day)


def with_examples(settings: Settings) -> Settings:
    """The settings with the example feeds, which every later process of this home reads while `CIC_STREAMS` is unset.

    So that `cic up` and `cic run` after `cic demo` know the streams of what it has landed, without an `export`.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / STREAMS_OF_HOME).write_text(f"{EXAMPLES}\n")
    return replace(settings, streams=(EXAMPLE_STREAMS,))


def _streams(value: str | None, home: Path) -> tuple[Path, ...]:
    kept = home / STREAMS_OF_HOME
    if not value and kept.is_file():
        value = kept.read_text().strip()
    if not value:
        return ()
    parts = [part for part in value.split(os.pathsep) if part]
    folders = tuple(EXAMPLE_STREAMS if part == EXAMPLES else Path(part).absolute() for part in parts)
    if not folders:
        raise SettingsError(f"CIC_STREAMS={value!r} names no folder")
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(
                f"CIC_STREAMS: {folder} is not a folder; give folders of stream files, {os.pathsep!r} apart, or "
                f"{EXAMPLES} for the example feeds"
            )
    return folders


def _days(value: str | None) -> int:
    if not value:
        return RESTATEMENT_HORIZON_DAYS
    if not (value.isascii() and value.isdigit()):
        raise SettingsError(f"CIC_RESTATEMENT_HORIZON_DAYS={value!r}: give a whole number of days")
    return int(value)


def _memory(value: str | None) -> int:
    if not value:
        return max(machine_bytes() // 4, _LEAST_MEMORY)
    found = re.fullmatch(r"([0-9]+)(MiB|GiB)", value)
    size = int(found[1]) << (20 if found[2] == "MiB" else 30) if found else 0
    if size < _LEAST_MEMORY:
        raise SettingsError(f"CIC_MEMORY={value!r}: give at least 1GiB, such as 6GiB or 1500MiB")
    return size


def machine_bytes() -> int:
    """Memory of this machine, or of the container that the process is in, if that has less."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(found, int(text)) if text.isdigit() else found


def _users(value: str) -> frozenset[int]:
    try:
        return frozenset(pwd.getpwnam(name.strip()).pw_uid for name in value.split(",") if name.strip())
    except KeyError as error:
        raise SettingsError(
            f"CIC_UI_USERS={value!r}: {error.args[0]}; give users of this machine, ',' between"
        ) from error


def dbt_database() -> str:
    """The database of dbt's connection, as `dbt_project/profiles.yml` reads it."""
    return os.environ.get("CIC_DBT_DBNAME", "cic")
