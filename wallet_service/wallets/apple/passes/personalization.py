"""Wallet sign-up: a pass that asks its holder for their data when it is added. Apple, "Personalize".

Needs a certificate that Apple grants on request; an installation without one leaves it off (spec apple-wallet, 3).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from wallet_service.wallets.apple.findings import Finding
from wallet_service.wallets.apple.passes.model import Text, closed

FILE = "personalization.json"
PersonalizationField = Literal[
    "PKPassPersonalizationFieldName",
    "PKPassPersonalizationFieldPostalCode",
    "PKPassPersonalizationFieldEmailAddress",
    "PKPassPersonalizationFieldPhoneNumber",
]


@closed
class Personalization(TypedDict):
    """`personalization.json`."""

    description: Text
    requiredPersonalizationFields: Annotated[list[PersonalizationField], Field(min_length=1)]
    termsAndConditions: NotRequired[Text]


PERSONALIZATION: TypeAdapter[Personalization] = TypeAdapter(Personalization)


def personalization_findings(files: Mapping[str, bytes], document: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a pass's sign-up form."""
    if FILE not in files:
        return
    try:
        PERSONALIZATION.validate_python(json.loads(files[FILE]))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            path = ".".join(str(part) for part in fault["loc"])
            yield Finding("66", f"{FILE} {path}", fault["msg"][:1].lower() + fault["msg"][1:], "see Apple's page on it")
    except (ValueError, RecursionError):
        yield Finding("66", FILE, "is not strict JSON in UTF-8", "write it with a JSON library")
    if not any(name.startswith("personalizationLogo") for name in files):
        yield Finding(
            "66", "personalizationLogo.png", "is missing beside personalization.json", "add it at @2x and @3x"
        )
    if "nfc" not in document:
        words = "needs an NFC pass: Wallet shows the form for no other"
        yield Finding("66", FILE, words, "add nfc, or leave the file out", "warning")
