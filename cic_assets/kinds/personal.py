"""Which names of fields look as if a person stood under them. Names only: values are looked at nowhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from cic_assets.kinds.stream import Stream

# Words of a name, and parts of it written together: OCPI's tokens, OCPP's idTag and idToken, councils' exports.
_WORDS = frozenset(
    {
        "rfid", "token", "tokens", "emaid", "evcoid", "email", "mail", "phone", "telephone", "tel", "mobile", "driver",
        "drivers", "user", "users", "customer", "plate", "vrm", "vrn", "vin", "card", "cards", "iban", "surname",
        "forename", "member", "cardholder", "kunde", "nutzer", "benutzer", "kennzeichen", "utente", "idtag", "authid",
    }
)  # fmt: skip
_PARTS = (
    "rfid", "emaid", "evcoid", "idtag", "tagid", "idtoken", "tokenid", "contractid", "email", "userid", "username",
    "cardid", "cardno", "cardnumber", "numberplate", "licenceplate", "licenseplate", "registrationnumber",
    "vehiclereg", "driverid", "drivername", "customerid", "customername", "accountid", "accountnumber", "memberid",
    "phonenumber", "authid", "visualnumber", "firstname", "lastname", "fullname",
)  # fmt: skip
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^a-z0-9]+")
# The same within a text whose structure nobody knows: rather too often than not.
_SAID = (
    "token", "user", "mail", "phone", "mobile", "driver", "customer", "plate", "vrm", "vrn", "card", "iban", "surname",
    "forename", "member", "kunde", "nutzer", "kennzeichen", "utente",
)  # fmt: skip
_IN_TEXT = (*_SAID, *(part for part in _PARTS if not any(said in part for said in _SAID)))
_WHOLE_WORD = re.compile(r"\b(?:tel|vin)\b")
_IN_ANY_TEXT = re.compile(f"{_WHOLE_WORD.pattern}|{'|'.join(_IN_TEXT)}", re.IGNORECASE)


@lru_cache(maxsize=10_000)
def looks_personal(name: str) -> bool:
    """Whether a field's name, dotted or not, says that it is about a person or what a person carries."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    words = [word for word in _NO_WORD.split(_HUMP.sub(" ", seen).lower()) if word]
    together = "".join(words)
    return not _WORDS.isdisjoint(words) or any(part in together for part in _PARTS)


def mentions_person(text: str) -> bool:
    """Whether a text that could not be parsed, or a list as text, holds such a name, or may hide one by escapes."""
    if "\\u" in text:
        return True
    if not text.isascii():
        return _IN_ANY_TEXT.search(text) is not None
    # Of the lists of a CDR and of a location, a pattern of so many words took a tenth of all decoding.
    low = text.lower()
    return any(said in low for said in _IN_TEXT) or _WHOLE_WORD.search(low) is not None


def is_uid(name: str) -> bool:
    """OCPI's `uid`, which is a token's beside other fields of a person, and else an EVSE's."""
    return name.rpartition(".")[2].strip().lower() == "uid"


def undecided(stream: Stream, names: Iterable[str]) -> list[str]:
    """The names that look personal and of which the stream file says neither that they are nor that they aren't."""
    said = (*stream.personal_fields, *stream.not_personal)
    return [
        name
        for name in dict.fromkeys(names)
        if looks_personal(name) and not any(name == each or name.startswith(f"{each}.") for each in said)
    ]


def undecided_hint(names: Iterable[str]) -> str:
    """What to do about such names."""
    return f"{', '.join(names)} may be about persons: add to personal_fields, or to not_personal if that is not so"
