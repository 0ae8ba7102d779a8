"""Bring the catalogues of words in step with the sources: `python -m tools.catalogues`; `--check` only looks.

Takes every `_("…")` and `ngettext` of the templates, and every `lazy`, `nlazy`, `gettext` and `ngettext` of
`wallet_service/web`. A new sentence is added without a translation; one that is used no more is removed. There are no
fuzzy entries: what changed is translated anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from wallet_service.web.locale import LANGUAGES, po_file

ROOT = Path(__file__).parent.parent
WEB = ROOT / "wallet_service" / "web"
_METHODS = [("**/static/**", "ignore"), ("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
_OPTIONS = {
    "**/templates/**.html": {"encoding": "utf-8", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
}
_KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "lazy": None,
    "nlazy": (1, 2),
}


def main() -> None:
    """Write the catalogues, or say what is out of step."""
    wanted = extracted()
    for language in LANGUAGES[:1]:
        path = po_file(language)
        current = path.read_bytes() if path.exists() else b""
        updated = as_po(brought_up_to_date(wanted, language, current))
        if "--check" in sys.argv[1:]:
            if updated != current:
                sys.exit(f"{path.relative_to(ROOT)} is out of step: run `python -m tools.catalogues`")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(updated)
        missing = [
            entry.id
            for entry in read_po(BytesIO(updated), locale=language)
            if entry.id and not _has_words(entry.string)
        ]
        print(f"{path.relative_to(ROOT)}: {len(wanted)} sentences, {len(missing)} without words")
        for msgid in missing:
            print(f"  {msgid!r}")


def extracted() -> Catalog:
    """Every sentence of the sources, with where it stands."""
    catalog = Catalog(project="wallet-service", charset="utf-8")
    for name, msgid, comments in _messages():
        catalog.add(msgid, locations=[(name, 0)], auto_comments=comments)
    return catalog


def _messages() -> Iterator[tuple[str, str | tuple[str, ...], list[str]]]:
    found = extract_from_dir(str(WEB), _METHODS, _OPTIONS, _KEYWORDS, comment_tags=("words:",))
    for name, _, msgid, comments, _ in found:
        yield f"web/{Path(name).as_posix()}", msgid, comments


def brought_up_to_date(wanted: Catalog, language: str, current: bytes) -> Catalog:
    """The wanted sentences with the translations that there are."""
    catalog = read_po(BytesIO(current), locale=language) if current else Catalog(locale=language, fuzzy=False)
    catalog.update(wanted, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    for entry in catalog:
        entry.flags.discard("fuzzy")
    return catalog


def as_po(catalog: Catalog) -> bytes:
    """The catalogue as text that is the same for the same words: sorted, without dates or line numbers."""
    out = BytesIO()
    write_po(out, catalog, sort_output=True, include_lineno=False, omit_header=True, width=118)
    plurals = catalog.plural_forms
    head = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale_identifier}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {plurals}\\n"\n\n'
    )
    return head.encode() + out.getvalue().lstrip(b"\n")


def _has_words(string: Any) -> bool:
    return bool(string) if isinstance(string, str) else all(string)


if __name__ == "__main__":
    main()
