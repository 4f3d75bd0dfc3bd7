"""Character sets: Specific Character Set (0008,0005), PS3.3 section C.12.1.1.2 and PS3.5 section 6.1.2.

A ``charset`` here is the text of that attribute: defined terms joined by a backslash, ``""`` for the default
repertoire. Terms that are unknown or misspelt count as the default (read as ISO 8859-1, like pydicom);
nothing here raises, characters that cannot be decoded or encoded are replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

UTF_8 = "ISO_IR 192"

_STAND_ALONE = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk", "ISO 2022 GBK": "gbk"}
"""Character sets without code extensions."""

_DEFAULT_CODEC = "latin-1"

_ESC = 0x1B


@dataclass(frozen=True, slots=True)
class _CodeElement:
    """A coded character set that an escape sequence puts into G0 or G1 (PS3.3 tables C.12-3 and C.12-4).

    ``codec`` is Python's. ``right`` says that it takes the upper half (G1), ``wide`` that two bytes make
    a character there or, for G0, that ``prefix`` must stand before the bytes for the codec to read them.
    """

    codec: str
    escape: bytes
    right: bool = True
    prefix: bytes = b""


_ASCII = _CodeElement("ascii", b"\x1b(B", right=False)
_JIS_X_0201_ROMAN = _CodeElement("ascii", b"\x1b(J", right=False)
_JIS_X_0201_KATAKANA = _CodeElement("shift_jis", b"\x1b)I")
_JIS_X_0208 = _CodeElement("iso2022_jp", b"\x1b$B", right=False, prefix=b"\x1b$B")
_JIS_X_0212 = _CodeElement("iso2022_jp_2", b"\x1b$(D", right=False, prefix=b"\x1b$(D")
_KS_X_1001 = _CodeElement("euc_kr", b"\x1b$)C")
_GB_2312 = _CodeElement("gb2312", b"\x1b$)A")

_LATIN = {
    "100": _CodeElement("latin-1", b"\x1b-A"),
    "101": _CodeElement("iso8859-2", b"\x1b-B"),
    "109": _CodeElement("iso8859-3", b"\x1b-C"),
    "110": _CodeElement("iso8859-4", b"\x1b-D"),
    "126": _CodeElement("iso8859-7", b"\x1b-F"),
    "127": _CodeElement("iso8859-6", b"\x1b-G"),
    "138": _CodeElement("iso8859-8", b"\x1b-H"),
    "144": _CodeElement("iso8859-5", b"\x1b-L"),
    "148": _CodeElement("iso8859-9", b"\x1b-M"),
    "166": _CodeElement("tis-620", b"\x1b-T"),
    "203": _CodeElement("iso8859-15", b"\x1b-b"),
}
"""Single-byte sets by their registration number: ASCII on the left, themselves on the right."""

_BY_NUMBER: dict[str, tuple[_CodeElement, ...]] = {
    "6": (_ASCII,),
    "13": (_JIS_X_0201_ROMAN, _JIS_X_0201_KATAKANA),
    "58": (_GB_2312,),
    "87": (_JIS_X_0208,),
    "149": (_KS_X_1001,),
    "159": (_JIS_X_0212,),
    **{number: (_ASCII, element) for number, element in _LATIN.items()},
}

_BY_ESCAPE = {element.escape: element for elements in _BY_NUMBER.values() for element in elements} | {
    b"\x1b$@": _JIS_X_0208
}

_TERM = re.compile(r"(?:ISO[ _-]?(?:2022)?[ _-]?IR[ _-]?|ISO 2022 )0*(\d+)")
_ESCAPE = re.compile(rb"\x1b(?:\$[()][A-D]|\$[@B]|[()][BIJ]|-[A-Zb])")
_RESET = re.compile(rb"[\\\r\n\f\t]")
_RESET_IN_NAME = re.compile(rb"[\\\r\n\f\t^=]")
_HALVES = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
_CONTROLS = re.compile(rb"[\r\n\f\t]")
_DELIMITED = re.compile(r"([\\\r\n\f\t])")
_DELIMITED_NAME = re.compile(r"([\\\r\n\f\t^=])")


@dataclass(frozen=True, slots=True)
class _Repertoire:
    """What a charset offers. ``stand_alone`` is a codec name, or empty where code elements are used."""

    stand_alone: str
    left: _CodeElement
    right: _CodeElement | None
    extensions: tuple[_CodeElement, ...]


@lru_cache(maxsize=256)
def _repertoire(charset: str) -> _Repertoire:
    terms = [term.strip() for term in charset.upper().split("\\")]
    if terms[0] in _STAND_ALONE:
        return _Repertoire(_STAND_ALONE[terms[0]], _ASCII, None, ())
    if terms[0] in ("UTF-8", "UTF8", "ISO IR 192", "ISO-IR 192", "ISO_IR_192"):
        return _Repertoire("utf-8", _ASCII, None, ())
    known = [_BY_NUMBER.get(match[1], ()) if (match := _TERM.match(term)) else () for term in terms]
    left, right = _ASCII, None
    for element in known[0]:
        if element.right:
            right = element
        elif not element.prefix:
            left = element
    extensions = tuple(dict.fromkeys(element for elements in known for element in elements))
    return _Repertoire("", left, right, extensions)


def decode(raw: bytes, charset: str, vr: str = "LO") -> str:
    """``raw`` as text. ``vr`` tells which characters end a code extension (PN has ``^`` and ``=`` too).

    Bytes that the charset does not define become U+FFFD.
    """
    if raw.isascii() and _ESC not in raw:
        return raw.decode("ascii")
    repertoire = _repertoire(charset)
    if repertoire.stand_alone:
        return raw.decode(repertoire.stand_alone, "replace")
    if _ESC in raw:
        return _decode_extended(raw, repertoire, _RESET_IN_NAME if vr == "PN" else _RESET)
    right = repertoire.right
    return raw.decode(right.codec if right else _DEFAULT_CODEC, "replace")


def _decode_extended(raw: bytes, repertoire: _Repertoire, reset: re.Pattern[bytes]) -> str:
    """Text with escape sequences (PS3.5 section 6.1.2.5)."""
    left, right = repertoire.left, repertoire.right
    pieces: list[str] = []
    position = 0
    size = len(raw)
    while position < size:
        escape = _ESCAPE.match(raw, position)
        if escape:
            element = _BY_ESCAPE.get(escape[0])
            if element is not None and element.right:
                right = element
            elif element is not None:
                left = element
            position = escape.end()
            continue
        stop = raw.find(b"\x1b", position + 1)
        if stop < 0:
            stop = size
        # In a two-byte set the delimiters' codes are halves of characters; only controls can end it.
        delimiter = (_CONTROLS if left.prefix else reset).search(raw, position, stop)
        if delimiter:
            stop = delimiter.end()
        run = raw[position : delimiter.start() if delimiter else stop]
        pieces.append(_decode_run(run, left, right))
        if delimiter:
            pieces.append(delimiter[0].decode("ascii"))
            left, right = repertoire.left, repertoire.right
        position = stop
    return "".join(pieces)


def _decode_run(run: bytes, left: _CodeElement, right: _CodeElement | None) -> str:
    codec = right.codec if right else _DEFAULT_CODEC
    if not left.prefix:
        return run.decode(codec, "replace")
    # G1 stays in reach while G0 holds a two-byte set: the upper half tells which is meant.
    return "".join(
        [
            (left.prefix + half).decode(left.codec, "replace")
            if half.isascii()
            else half.decode(codec, "replace")
            for half in _HALVES.findall(run)
        ]
    )


def encode(text: str, charset: str, vr: str = "LO") -> bytes:
    """``text`` as bytes, with the escape sequences it needs; what the charset lacks becomes ``?``."""
    if text.isascii():
        return text.encode("ascii")
    repertoire = _repertoire(charset)
    if repertoire.stand_alone:
        return text.encode(repertoire.stand_alone, "replace")
    return _encode_extended(text, repertoire, vr, "replace")


def can_encode(text: str, charset: str, vr: str = "LO") -> bool:
    """Every character of ``text`` is in the repertoire of ``charset``."""
    if text.isascii():
        return True
    repertoire = _repertoire(charset)
    try:
        if repertoire.stand_alone:
            text.encode(repertoire.stand_alone)
        else:
            _encode_extended(text, repertoire, vr, "strict")
    except UnicodeEncodeError:
        return False
    return True


def _encode_extended(text: str, repertoire: _Repertoire, vr: str, errors: str) -> bytes:
    """Each piece between delimiters starts, and ends, in the first value's sets (PS3.5 section 6.1.2.5.3)."""
    delimited = _DELIMITED_NAME if vr == "PN" else _DELIMITED
    return b"".join(_encode_piece(piece, repertoire, errors) for piece in delimited.split(text))


def _encode_piece(piece: str, repertoire: _Repertoire, errors: str) -> bytes:
    if piece.isascii():
        return piece.encode("ascii")
    left, right = repertoire.left, repertoire.right
    pieces: list[bytes] = []
    for character in piece:
        if character.isascii():
            if left.prefix:
                left = repertoire.left
                pieces.append(left.escape)
            pieces.append(character.encode("ascii"))
            continue
        current = (left, right) if left.prefix else (right,)
        code = b""
        for element in (*current, *repertoire.extensions):
            if element is None or not (code := _encode_character(character, element)):
                continue
            if element.right:
                if left.prefix:
                    # Not needed by ISO 2022, but some readers look at G0 alone.
                    left = repertoire.left
                    pieces.append(left.escape)
                if element is not right:
                    right = element
                    pieces.append(element.escape)
            elif not element.right and element is not left:
                left = element
                pieces.append(element.escape)
            break
        if not code:
            if errors == "strict":
                raise UnicodeEncodeError("dicom", piece, 0, len(piece), "not in the character set")
            if left.prefix:
                left = repertoire.left
                pieces.append(left.escape)
            code = b"?"
        pieces.append(code)
    if left.prefix:
        pieces.append(repertoire.left.escape)
    return b"".join(pieces)


@lru_cache(maxsize=4096)
def _encode_character(character: str, element: _CodeElement) -> bytes:
    """The code of ``character``, without escape sequence; empty where ``element`` does not hold it."""
    try:
        code = character.encode(element.codec)
    except UnicodeEncodeError:
        return b""
    if element.prefix:
        if not code.startswith(element.prefix):
            return b""
        return code[len(element.prefix) : len(element.prefix) + 2]
    if element is _JIS_X_0201_KATAKANA:
        return code if len(code) == 1 and code[0] >= 0xA0 else b""
    return code if element.right and code[0] >= 0x80 else b""


def is_text_encodable(texts: Iterable[str], charset: str) -> bool:
    """``can_encode`` for all of ``texts``, taken as person names, whose rule is the strictest."""
    return all(can_encode(text, charset, "PN") for text in texts)


def choose_charset(texts: Iterable[str], wanted: str, stored: str) -> str:
    """The charset of a response whose values are ``texts`` (PS3.4 section C.4.1.1.3.1).

    ``""`` when all is ASCII; else what the request used, if that can hold all; else that of the stored
    instance, if it can; else ``ISO_IR 192``.
    """
    foreign = [text for text in texts if not text.isascii()]
    if not foreign:
        return ""
    for charset in (wanted, stored):
        if charset and is_text_encodable(foreign, charset):
            return charset
    return UTF_8
