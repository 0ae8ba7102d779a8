"""From BER to DER, as far as signatures need it: definite lengths in their shortest form, strings in one piece. Pure.

Apple's own signing tool, Bouncy Castle and `openssl cms -stream` write signatures in BER, which Wallet reads. The order
of SETs is left as it is: whether signed attributes are sorted is told, not mended. (pyasn1 decodes BER too, but sorts
them on encoding, and holds every byte of a certificate as an object.)

Source: ITU-T X.690, sections 8 and 10.
"""

from __future__ import annotations

_DEEPEST = 40
_CONSTRUCTED, _LONG_TAG, _OCTET_STRING = 0x20, 0x1F, 0x04
_INDEFINITE, _END = 0x80, b"\x00\x00"


class NotBer(ValueError):
    """Bytes that are no BER, or nested deeper than any signature."""


def der_of(data: bytes) -> bytes:
    """The same value in definite lengths; DER comes back as it is.

    Raises:
        NotBer: with what is wrong, for a person.
    """
    value, end = _element(data, 0, len(data), 0)
    if end != len(data):
        raise NotBer(f"{len(data) - end} bytes follow its end")
    return value


def _element(data: bytes, start: int, end: int, depth: int) -> tuple[bytes, int]:
    """One element in `data[start:end]`: its DER, and where the next one begins."""
    if depth > _DEEPEST:
        raise NotBer(f"nested more than {_DEEPEST} deep")
    tag, length, body = _header(data, start, end)
    if length is not None:
        after = body + length
        if not tag[0] & _CONSTRUCTED:
            return tag + _length(length) + data[body:after], after
        parts, _ = _elements(data, body, after, depth, until_end=False)
    elif tag[0] & _CONSTRUCTED:
        parts, after = _elements(data, body, end, depth, until_end=True)
    else:
        raise NotBer("a primitive value without a length")
    if tag[0] == _OCTET_STRING | _CONSTRUCTED:
        joined = b"".join(_octets(part) for part in parts)
        return bytes([_OCTET_STRING]) + _length(len(joined)) + joined, after
    inside = b"".join(parts)
    return tag + _length(len(inside)) + inside, after


def _elements(data: bytes, start: int, end: int, depth: int, *, until_end: bool) -> tuple[list[bytes], int]:
    parts: list[bytes] = []
    while True:
        if until_end and data[start : start + 2] == _END and start + 2 <= end:
            return parts, start + 2
        if start == end:
            if until_end:
                raise NotBer("it ends in the middle")
            return parts, start
        part, start = _element(data, start, end, depth + 1)
        parts.append(part)


def _header(data: bytes, start: int, end: int) -> tuple[bytes, int | None, int]:
    """Tag, length (None: indefinite) and where the contents begin."""
    place = start + 1
    if start < end and data[start] & _LONG_TAG == _LONG_TAG:
        while place < end and data[place] & 0x80:
            place += 1
        place += 1
    if place >= end:
        raise NotBer("it ends in the middle")
    tag, first = data[start:place], data[place]
    place += 1
    if first == _INDEFINITE:
        return tag, None, place
    length = first
    if first & 0x80:
        octets = first & 0x7F
        length, place = int.from_bytes(data[place : place + octets], "big"), place + octets
    if place + length > end:
        raise NotBer("it ends in the middle")
    return tag, length, place


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _octets(part: bytes) -> bytes:
    """The contents of one piece of a string, which is DER by now."""
    tag, length, body = _header(part, 0, len(part))
    if tag[0] != _OCTET_STRING or length is None:
        raise NotBer("a text in pieces that are no octet strings")
    return part[body : body + length]
