"""What is wrong with the languages of somebody's pass: line 12 of the checklist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wallet_service.wallets.apple.findings import Finding

LPROJ = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*\.lproj")
# A text that is never closed runs to the end, and nothing is given back: no input makes this look twice at anything.
_TOKEN = re.compile(
    r'/\*.*?(?:\*/|\Z)|//[^\n]*+|"([^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+)(?:"|\Z)|[=;]|\s++|[^\s"=;/]++|.', re.DOTALL
)
_MOST_BYTES = 1_000_000
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Unreadable(ValueError):
    """A strings file whose lines are not `"KEY" = "text";`."""


def entries_in(text: str) -> dict[str, str]:
    """The entries of a `pass.strings`; of a key that stands twice, the last.

    Raises:
        Unreadable: with the line.
    """
    found: dict[str, str] = {}
    waiting: list[str] = []
    line = 1
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if not piece.isspace() and not piece.startswith(("/*", "//")):
            waiting.append(f'"{token[1]}' if token[1] is not None else piece)
        if waiting and piece == ";":
            match waiting:
                case [key, "=", value, ";"] if key.startswith('"') and value.startswith('"'):
                    found[_plain(key[1:])] = _plain(value[1:])
                case _:
                    raise Unreadable(f'line {line} does not read "KEY" = "text";')
            waiting = []
        line += piece.count("\n")
    if waiting:
        raise Unreadable('the end does not read "KEY" = "text";')
    return found


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)


def strings_findings(files: Mapping[str, bytes], document: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything about language folders and their `pass.strings`."""
    for folder in sorted({name.split("/")[0] for name in files if "/" in name}):
        if not LPROJ.fullmatch(folder):
            yield Finding("12", folder, "is not the name of a language folder", "name it like fr.lproj", "warning")
    keys_of: dict[str, frozenset[str]] = {}
    for name, body in sorted(files.items()):
        if not name.endswith(".lproj/pass.strings"):
            continue
        if len(body) > _MOST_BYTES:
            words = f"is larger than {_MOST_BYTES:,} bytes and was not read"
            yield Finding("12", name, words, "leave out what the pass does not show", "note")
            continue
        has_mark = body.startswith((b"\xff\xfe", b"\xfe\xff"))
        try:
            keys_of[name] = frozenset(entries_in(body.decode("utf-16" if has_mark else "utf-8")))
        except UnicodeDecodeError:
            yield Finding("12", name, "is neither UTF-16 with a byte order mark nor UTF-8", "save it as UTF-16")
            continue
        except Unreadable as error:
            yield Finding("12", name, f"cannot be read: {error}", 'write each line like "KEY" = "text";')
            continue
        if not has_mark and not body.isascii():
            yield Finding("12", name, "is UTF-8; Apple asks for UTF-16", "save it as UTF-16 with its mark", "note")
    if len(set(keys_of.values())) > 1:
        yield Finding("12", "pass.strings", "do not have the same keys in every language", "complete them", "warning")
    used = frozenset(_texts(document))
    for key in sorted(frozenset[str]().union(*keys_of.values()) - used):
        words = f"the key {key!r} does not occur in pass.json"
        yield Finding("12", "pass.strings", words, "correct its spelling", "note")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
