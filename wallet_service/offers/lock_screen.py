"""What may be written on a lock screen: the texts of offers and stores that are near. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import Fault, Invalid

LONGEST_PROXIMITY_TEXT = 100


def require_lock_screen_texts(texts: Mapping[str, str], program: ProgramDocument) -> None:
    """Refuse what a lock screen cannot show: texts are short, one line, without the brand (it is shown already).

    Args:
        texts: language → the `proximity_text` of an offer or a store.

    Raises:
        Invalid: with the path of each fault.

    Source: apple-wallet.md, checklist 87.
    """
    faults = []
    for locale, text in texts.items():
        path = f"proximity_text.{locale}"
        if len(text) > LONGEST_PROXIMITY_TEXT:
            message = f"has {len(text)} characters; a lock screen takes {LONGEST_PROXIMITY_TEXT}"
            values = {"found": len(text), "max_length": LONGEST_PROXIMITY_TEXT}
            faults.append(Fault(path, message, "too_long_for_lock_screen", values))
        if "\n" in text or "\r" in text:
            faults.append(Fault(path, "has a line break; a lock screen shows one line", "line_break"))
        if program.apple and program.apple.organization_name.casefold() in text.casefold():
            faults.append(Fault(path, "names the brand, which the phone shows already", "names_brand"))
    if faults:
        raise Invalid(*faults)
