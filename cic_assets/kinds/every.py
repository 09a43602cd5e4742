"""Every kind of stream that there is. A new one is a folder beside this module and a line here."""

from cic_assets.kinds.kind import Kind
from cic_assets.kinds.locations import LOCATIONS
from cic_assets.kinds.sessions import SESSIONS
from cic_assets.kinds.status import STATUS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (SESSIONS, STATUS, LOCATIONS)}
