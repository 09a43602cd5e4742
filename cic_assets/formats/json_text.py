"""JSON as text: numbers stay as they were sent, keys that stand twice are refused, documents are read as a stream.

`json` reads every value; what is here finds the records in a document. (ijson, the library for that, ended the process
on a number of 5,000 digits and took all memory for 200 kB of brackets.)
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from cic_assets.formats.bounds import MAX_LINE_BYTES, UnreadableError


class Number(str):
    """A number as it was sent: `1.50`, 40 digits, 1e400, NaN."""

    __slots__ = ()


class AmbiguousError(Exception):
    """A key stands twice in one object: which value holds, each reader would decide in its own way (RFC 8259, 4)."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise AmbiguousError("a key stands twice in one object")
    return found


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=Number, parse_int=Number, parse_constant=Number
)  # fmt: skip
_LAST_WINS = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)


def parse(text: str, *, strict: bool = True) -> Any:
    """A JSON text; numbers as `Number`.

    Raises:
        ValueError: it is none.
        AmbiguousError: a key stands twice, unless not `strict`: then its last value wins.
        RecursionError: it is nested about a thousand deep.
    """
    return (_STRICT if strict else _LAST_WINS).decode(text)


def compact(content: Any) -> str:
    """One line of JSON, numbers as they were sent."""
    if isinstance(content, Number):
        return str(content)
    if isinstance(content, dict):
        return "{" + ",".join(f"{_quoted(key)}:{compact(value)}" for key, value in content.items()) + "}"
    if isinstance(content, list):
        return "[" + ",".join(map(compact, content)) + "]"
    return _quoted(content)


def plain_text(text: str) -> str:
    r"""The text with U+FFFD in place of NUL and of halves of surrogate pairs (`\ud800` in JSON)."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")


_quoted = json.JSONEncoder(ensure_ascii=False).encode


def is_deeper(content: Any, levels: int) -> bool:
    """Whether objects and lists are nested more than so many levels."""
    if not isinstance(content, (dict, list)):
        return False
    inner = content.values() if isinstance(content, dict) else content
    return levels == 0 or any(is_deeper(value, levels - 1) for value in inner)


@dataclass(frozen=True)
class Element:
    """An element of an array: its value, or its text and why it can't be taken."""

    value: Any
    text: str = ""
    fault: str | None = None
    # Characters that it has in the document.
    size: int = 0


def array_elements(source: BinaryIO, encoding: str, path: str) -> Iterator[Element]:
    """The elements of the array at a dotted path of a document; an empty path is the document itself.

    Raises:
        UnreadableError: no JSON from here on, or no array there.
    """
    found = False
    for where, element in _walk(_Window(source, encoding), path):
        if where == path and isinstance(element, Element):
            yield element
        found = found or (where == path and element is None)
    if not found:
        raise UnreadableError(f"no array of records at {path!r}" if path else "the document is no array of records")


def scalars(source: BinaryIO, encoding: str) -> Iterator[tuple[str, str]]:
    """(dotted path, text) of each text, number and boolean of a document that stands in no array.

    Raises:
        UnreadableError: no JSON from here on.
    """
    for where, value in _walk(_Window(source, encoding), None):
        if isinstance(value, Element) and isinstance(value.value, str | bool):
            yield where, str(value.value)


# A noncharacter: Unicode keeps it for such marks, so text does not hold it.
_BAD_BYTE = "\ufdd0"
codecs.register_error("cic.mark", lambda error: (_BAD_BYTE, getattr(error, "end", 0)))
_CHUNK_BYTES = 1 << 20
_SPACES = re.compile(r"[ \t\r\n]*")
# Paths in stream files are short; below a longer one all have this name, which no field has: each value in an object
# under a key of 500 kB once copied that key (2 MB: more than 40 s).
MAX_PATH_CHARS, _TOO_LONG = 1_000, "\ufdd0"


class _Window:
    """What is held of a document's text: from the value under way on."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self.encoding = encoding
        self.source = cast(io.BufferedReader, source)
        self.decoder = codecs.getincrementaldecoder(name)("cic.mark")
        self.text, self.at, self.ended = "", 0, False

    def more(self) -> None:
        self.text, self.at = self.text[self.at :], 0
        if len(self.text) > MAX_LINE_BYTES:
            raise UnreadableError(f"a value is longer than {MAX_LINE_BYTES:,} characters, or no JSON")
        # As much again as is held: a long value is tried a few times, not once per chunk.
        # One read at a time: what comes before a break in packed content is not lost with it.
        piece = self.source.read1(max(_CHUNK_BYTES, len(self.text)))
        self.text += self.decoder.decode(piece, final=not piece)
        self.ended = not piece

    def sign(self) -> str:
        """The next sign that is no space, not taken; empty at the end."""
        while True:
            self.at = cast(re.Match[str], _SPACES.match(self.text, self.at)).end()
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, signs: str) -> str:
        found = self.sign()
        if not found or found not in signs:
            raise UnreadableError(f"{' or '.join(signs)} is missing" if found else "the document breaks off")
        self.at += 1
        return found

    def value(self) -> Element:
        self.sign()
        while True:
            try:
                element, end = self._decoded()
            except ValueError as error:
                if self.ended:
                    said = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
                    raise UnreadableError(f"no JSON: {said}") from error
                self.more()
                continue
            if end < len(self.text) or self.ended:
                self.at = end
                return element
            # A number may go on in what was not read yet.
            self.more()

    def _decoded(self) -> tuple[Element, int]:
        fault = None
        try:
            value, end = _STRICT.raw_decode(self.text, self.at)
        except AmbiguousError as error:
            value, end = _LAST_WINS.raw_decode(self.text, self.at)
            fault = str(error)
        text = self.text[self.at : end]
        if _BAD_BYTE in text:
            text, fault = text.replace(_BAD_BYTE, "\ufffd"), f"not {self.encoding}"
        return Element(value, text if fault else "", fault, end - self.at), end


# (path, value) of what stands in no array, and of the elements of one array, which None announces.
_Found = Iterator[tuple[str, Element | None]]


def _walk(window: _Window, array: str | None) -> _Found:
    """Objects are gone through with a list of our own: 300 of them as generators handed each value on 300 times."""
    # Paths of the objects that are open.
    opened: list[str] = []
    path = ""
    while True:
        sign = window.sign()
        if sign == "{":
            window.take("{")
            if window.sign() != "}":
                path = _key(window, opened, path)
                continue
            window.take("}")
        elif sign == "[":
            yield from _walk_array(window, path, array)
        else:
            yield path, window.value()
        while opened and window.take(",}") == "}":
            opened.pop()
        if not opened:
            break
        path = _key(window, opened, opened.pop())
    if window.sign():
        raise UnreadableError("text follows the document")


def _key(window: _Window, opened: list[str], prefix: str) -> str:
    """The path of the next member of an object, which is open from now on."""
    if window.sign() != '"':
        raise UnreadableError("a key is missing")
    key = window.value().value
    window.take(":")
    opened.append(prefix)
    # The document itself has no name; `opened` has one entry where its members are read.
    path = f"{prefix}.{key}" if len(opened) > 1 else key
    return _TOO_LONG if len(path) > MAX_PATH_CHARS or prefix.startswith(_TOO_LONG) else path


def _walk_array(window: _Window, path: str, array: str | None) -> _Found:
    window.take("[")
    if path == array:
        yield path, None
    if window.sign() == "]":
        window.take("]")
        return
    while True:
        element = window.value()
        if path == array:
            yield path, element
        if window.take(",]") == "]":
            return
