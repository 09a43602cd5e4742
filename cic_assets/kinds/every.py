"""Every kind of stream that there is. A new one is a folder beside this module and a line here."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from cic_assets.kinds.kind import Kind
from cic_assets.kinds.locations.kind import LOCATIONS
from cic_assets.kinds.sessions.kind import SESSIONS
from cic_assets.kinds.status.kind import STATUS
from cic_assets.kinds.stream import Stream
from cic_assets.kinds.tariffs.kind import TARIFFS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (SESSIONS, STATUS, LOCATIONS, TARIFFS)}
_CLASSES: Any = reduce(or_, (kind.stream for kind in KINDS.values()))
_ONE_OF_THEM: Any = Annotated[_CLASSES, Field(discriminator="kind")]
_PARSER: TypeAdapter[Any] = TypeAdapter(_ONE_OF_THEM)


def parse_stream(content: object) -> Stream:
    """The stream of a stream file's content, of its kind's class.

    Raises:
        pydantic.ValidationError: it is against the model; all reasons at once.
    """
    stream: Stream = _PARSER.validate_python(content)
    return stream
