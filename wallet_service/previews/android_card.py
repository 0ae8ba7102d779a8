"""What Google Wallet shows of an object and its class, as a value. Pure.

Source: google-wallet.md, sections 6 to 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babel.numbers import format_currency, format_decimal


@dataclass(frozen=True)
class AndroidField:
    """A label and what stands under it."""

    label: str
    text: str


@dataclass(frozen=True)
class AndroidCard:
    """A loyalty card as Google Wallet shows it, in the phone's language; `object` and `cls` are what Google holds."""

    object_id: str
    issuer_name: str
    program_name: str
    fields: Mapping[str, AndroidField]
    barcode_value: str | None
    merchant_locations: tuple[tuple[float, float], ...]
    messages: tuple[str, ...]
    state: str
    object: Mapping[str, Any]
    cls: Mapping[str, Any]


def card_of(item: Mapping[str, Any], cls: Mapping[str, Any], locale: str) -> AndroidCard:
    """What Google Wallet shows of an object and its class, in words."""
    return AndroidCard(
        object_id=str(item.get("id", "")),
        issuer_name=localized(cls, "issuerName", locale),
        program_name=localized(cls, "programName", locale),
        fields=dict(_fields(item, cls, locale)),
        barcode_value=item.get("barcode", {}).get("value"),
        merchant_locations=tuple(
            (one["latitude"], one["longitude"])
            for one in (*item.get("merchantLocations", ()), *cls.get("merchantLocations", ()))
        ),
        messages=tuple(
            localized(one, "header", locale) for one in (*item.get("messages", ()), *cls.get("messages", ()))
        ),
        state=str(item.get("state", "")),
        object=item,
        cls=cls,
    )


def localized(record: Mapping[str, Any], name: str, locale: str) -> str:
    """A text in the phone's language: the translation, else the localized default, else the plain one."""
    variants = record.get(f"localized{name[0].upper()}{name[1:]}")
    if not variants:
        return str(record.get(name, ""))
    language = locale.replace("_", "-")
    translations = {one.get("language", ""): one.get("value", "") for one in variants.get("translatedValues", ())}
    for wanted in (language, language[:2]):
        if wanted in translations:
            return str(translations[wanted])
    return str(variants.get("defaultValue", {}).get("value", ""))


def balance_text(balance: Mapping[str, Any], locale: str) -> str:
    """How a points balance is written."""
    if "money" in balance:
        amount = int(balance["money"]["micros"]) / 1_000_000
        return format_currency(amount, balance["money"]["currencyCode"], locale=locale)
    if "string" in balance:
        return str(balance["string"])
    return format_decimal(balance.get("int", balance.get("double")), locale=locale)


def _fields(item: Mapping[str, Any], cls: Mapping[str, Any], locale: str) -> list[tuple[str, AndroidField]]:
    found = []
    for name in ("loyaltyPoints", "secondaryLoyaltyPoints"):
        if points := item.get(name):
            text = balance_text(points["balance"], locale)
            found.append((name, AndroidField(localized(points, "label", locale), text)))
    for name in ("accountName", "accountId"):
        if item.get(name):
            found.append((name, AndroidField(localized(cls, f"{name}Label", locale), str(item[name]))))
    for name in ("rewardsTier", "secondaryRewardsTier"):
        if tier := localized(cls, name, locale):
            found.append((name, AndroidField(localized(cls, f"{name}Label", locale), tier)))
    for module in (*item.get("textModulesData", ()), *cls.get("textModulesData", ())):
        text = localized(module, "body", locale)
        found.append((module.get("id", f"text{len(found)}"), AndroidField(localized(module, "header", locale), text)))
    return found
