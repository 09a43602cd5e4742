"""Where a stream's bytes come from, as its file says (`source`). Who fetches them: `fetch/`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator, model_validator

from cic_assets.formats.feed import Part, Text, told
from cic_assets.settings import LOOPBACK, SECRET_NAME

# Of an `every`: a sensor looks every half minute, and no feed of charge points changes faster.
LEAST_EVERY = dt.timedelta(minutes=1)
MOST_EVERY = dt.timedelta(days=366)
# OCPI 2.x: modules that people ask for by the time of the last update. Of the others each poll wants all there is.
DATED = ("sessions", "cdrs")
# What a value of such a header or parameter opens.
_SENSITIVE = re.compile(
    r"authori[sz]ation|cookie|secret|password|passwd|^pwd$|token|jwt|credential|signature|^(?:sig|code|auth|pass)$"
    r"|(?:^|[-_])(?:api|access|subscription|function)?[-_]?key$",
    re.IGNORECASE,
)
# A name or address, with a port where it has another than the scheme's.
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Secret(Part):
    """A secret by its name, never by its value: a stream file lies where many read it."""

    secret: Annotated[
        str,
        Field(pattern=SECRET_NAME),
        told(
            "its name: the value is in the variable CIC_SECRET_<NAME>, or in the file `secrets/<name>` of the home, "
            "which only its owner may read",
            "acme_ocpi",
        ),
    ]


class Limits(Part):
    """What a poll may take; beyond it, it fails, and nothing of what is too long lands."""

    seconds: Annotated[float, Field(gt=0, le=86_400), told("a poll as a whole, retries and waiting included", 120)] = (
        600.0
    )
    megabytes: Annotated[
        float, Field(gt=0, le=65_536), told("one response, after its compression is undone; one file of a folder", 20)
    ] = 512.0
    pages: Annotated[int, Field(ge=1, le=1_000_000), told("responses of a poll", 500)] = 10_000


class Source(Part):
    """What all sources have."""

    every: Annotated[
        dt.timedelta,
        told("how often it is fetched (ISO 8601); the feed is late after three of them without a good poll", "PT10M"),
    ]
    limits: Annotated[Limits, told("what a poll may take", {"seconds": 120})] = Limits()

    @field_validator("every")
    @classmethod
    def _every_is_a_span(cls, value: dt.timedelta) -> dt.timedelta:
        if not LEAST_EVERY <= value <= MOST_EVERY:
            raise ValueError(f"every: from {LEAST_EVERY} to a year; write PT10M, PT1H or P1D")
        return value


class FolderSource(Source):
    """Files that others put into a folder of this machine, or one that is mounted here."""

    type: Literal["folder"] = Field(
        description="where the bytes come from: `folder`, `http` or `ocpi`", examples=["folder"]
    )
    path: Annotated[
        str,
        Field(pattern=r"^/"),
        told("the folder, from `/`; files in it whose names `claims` match are landed", "/srv/sftp/ashbourne"),
    ]
    settled: Annotated[
        dt.timedelta, told("a file that was written to within so long is left for the next poll", "PT5M")
    ] = dt.timedelta(minutes=1)


class WebSource(Source):
    """What all sources behind a URL have."""

    token: Annotated[
        Secret | None,
        told("opens the feed; goes to the hosts that the file names, and to no other", {"secret": "acme_ocpi"}),
    ] = None
    headers: Annotated[
        dict[Text, Secret | Text],
        told(
            "further headers of each request; a value that opens something is a secret",
            {"X-Api-Key": {"secret": "acme"}},
        ),
    ] = {}
    hosts: Annotated[
        tuple[Text, ...],
        told("further hosts that get token and headers, where links and endpoints lead there", ["ocpi.acme.example"]),
    ] = ()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that it needs."""
        found = [self.token, *self.headers.values()]
        return tuple(each for each in found if isinstance(each, Secret))

    @field_validator("token", mode="before")
    @classmethod
    def _token_is_a_name(cls, value: object) -> object:
        return _name_of_secret("token", value)

    @field_validator("headers", mode="before")
    @classmethod
    def _headers_open_nothing(cls, value: object) -> object:
        return _names_of_secrets("headers", value)

    @field_validator("headers")
    @classmethod
    def _headers_are_headers(cls, value: dict[str, Secret | str]) -> dict[str, Secret | str]:
        wrong = [name for name in value if not _HEADER.fullmatch(name)]
        wrong += [name for name, text in value.items() if isinstance(text, str) and not text.isprintable()]
        if wrong:
            raise ValueError(f"headers: {', '.join(wrong)}: no name or value of a header")
        return value

    @field_validator("hosts")
    @classmethod
    def _hosts_are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [host for host in value if not _HOST.fullmatch(host)]
        if wrong:
            raise ValueError(f"hosts: {', '.join(wrong)}: a host, with its port if it has another: ocpi.acme.example")
        return value

    def _demand_url(self, key: str, url: str) -> None:
        """Says why a text is no address that this source may be read from."""
        try:
            parts = urlsplit(url)
            port_is_right = parts.port is None or parts.port > 0
        except ValueError as error:
            raise ValueError(f"{key}: {url!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right:
            raise ValueError(f"{key}: {url!r}: write https://host/path")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"{key}: user and password stand in the address: write `token: {{secret: NAME}}`")
        if opens := [name for name, _ in parse_qsl(parts.query) if _SENSITIVE.search(name)]:
            raise ValueError(
                f"{key}: {opens[0]} stands in the address: write `query: {{{opens[0]}: {{secret: NAME}}}}`"
            )
        if parts.fragment:
            raise ValueError(f"{key}: {url!r}: leave out what follows #")
        if parts.scheme == "http" and self.secrets and parts.hostname not in LOOPBACK:
            raise ValueError(f"{key}: {url!r}: a secret goes over https only")


class HttpSource(WebSource):
    """One document behind a URL; as often as it is fetched, it lands whole, once per content."""

    type: Literal["http"] = Field(
        description="where the bytes come from: `folder`, `http` or `ocpi`", examples=["http"]
    )
    url: Annotated[Text, told("of the document", "https://open.ashbourne.example/chargers.csv")]
    query: Annotated[
        dict[Text, Secret | Text],
        told("parameters of the URL; a value that opens something is a secret", {"key": {"secret": "acme_key"}}),
    ] = {}
    scheme: Annotated[
        Literal["Bearer", "Token", "Basic"],
        told("how the token stands in `Authorization`; of `Basic` it is `user:password`", "Token"),
    ] = "Bearer"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that it needs."""
        return (*super().secrets, *(each for each in self.query.values() if isinstance(each, Secret)))

    @field_validator("query", mode="before")
    @classmethod
    def _query_opens_nothing(cls, value: object) -> object:
        return _names_of_secrets("query", value)

    @model_validator(mode="after")
    def _url_is_one(self) -> HttpSource:
        self._demand_url("url", self.url)
        return self


class OcpiSource(WebSource):
    """A module of an OCPI party, page by page: behind its versions, or the bare module of an open feed."""

    type: Literal["ocpi"] = Field(
        description="where the bytes come from: `folder`, `http` or `ocpi`", examples=["ocpi"]
    )
    module: Annotated[
        Literal["locations", "sessions", "cdrs", "tariffs"],
        told("which one; `sessions` and `cdrs` are asked for by `date_from`, of others each poll takes all", "cdrs"),
    ]
    versions: Annotated[
        Text | None,
        told("the party's versions; the module's endpoint is looked up", "https://acme.example/ocpi/versions"),
    ] = None
    url: Annotated[
        Text | None, told("in place of `versions`: the module itself", "https://open.acme.example/ocpi/locations")
    ] = None
    version: Annotated[
        Literal["2.1.1", "2.2", "2.2.1", "2.3.0"] | None,
        told("of those that the party has; else the newest that is known here", "2.2.1"),
    ] = None
    token_encoding: Annotated[
        Literal["base64", "plain"] | None,
        told("how the token is sent; as the version says if not said: base64 from 2.2 on, plain before", "plain"),
    ] = None
    page_size: Annotated[
        int | None, Field(ge=1, le=100_000), told("`limit` of a page; the party's own if not said", 100)
    ] = None
    overlap: Annotated[
        dt.timedelta,
        told("`date_from` lies so long before the last good poll, as parties' clocks and databases lag", "PT2H"),
    ] = dt.timedelta(hours=1)
    since: Annotated[
        dt.date | None, told("`date_from` of the first poll; all that the party has if not said", "2026-01-01")
    ] = None

    @field_validator("version", mode="before")
    @classmethod
    def _version_is_text(cls, value: object) -> object:
        # YAML takes 2.2 for a number.
        return str(value) if isinstance(value, float) else value

    @property
    def is_dated(self) -> bool:
        """Whether a poll asks for what was updated since the last one."""
        return self.module in DATED

    @property
    def sends_base64(self) -> bool | None:
        """How the token is sent; None: as the version says."""
        return None if self.token_encoding is None else self.token_encoding == "base64"

    @model_validator(mode="after")
    def _one_address(self) -> OcpiSource:
        if (self.versions is None) == (self.url is None):
            raise ValueError("give versions, the party's versions URL, or url, the module itself")
        for key in ("versions", "url"):
            if (value := getattr(self, key)) is not None:
                self._demand_url(key, value)
        if not dt.timedelta() <= self.overlap <= MOST_EVERY:
            raise ValueError("overlap: from nothing to a year; write PT1H")
        if self.since is not None and not self.is_dated:
            raise ValueError(f"since: {self.module} are read whole by each poll; only {' and '.join(DATED)} have it")
        return self


AnySource = Annotated[FolderSource | HttpSource | OcpiSource, Field(discriminator="type")]


def _name_of_secret(key: str, value: object) -> object:
    """What the model takes, where it is no value."""
    if isinstance(value, str | int | float):
        name = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")
        raise ValueError(
            f"{key}: a secret's value stands in no file that others read: write `{key}: {{secret: acme_{name}}}` and "
            f"put the value into CIC_SECRET_ACME_{name.upper()}, or into `secrets/acme_{name}` of the home (mode 0600)"
        )
    return value


def _names_of_secrets(key: str, value: object) -> object:
    for name, given in value.items() if isinstance(value, Mapping) else ():
        if isinstance(name, str) and _SENSITIVE.search(name):
            _name_of_secret(name, given)
    return value


def is_sensitive(names: Iterable[str]) -> set[str]:
    """Which names of headers or parameters are of values that open something."""
    return {name for name in names if _SENSITIVE.search(name)}
