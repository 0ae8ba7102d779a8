"""What `templates losses` and `templates check` say of a design is what the wallets' own modules do with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.cards.conftest import DESIGNS
from wallet_service.cards.template import Template
from wallet_service.cards.template_folder import load_template
from wallet_service.cli.templates import templates
from wallet_service.wallets.apple.passes.design import neutral_pass
from wallet_service.wallets.unsupported_features import losses_of, silent_news

POINTS = load_template(DESIGNS / "points-card")


def design(*, fields: dict[str, dict[str, Any]] | None = None, **changes: Any) -> Template:
    """The points card with its document changed; `fields`: id → changed keys."""
    document = POINTS.document.model_dump()
    document["fields"] = [spec | (fields or {}).get(spec["id"], {}) for spec in document["fields"]]
    return replace(POINTS, document=type(POINTS.document).model_validate(document | changes))


def said(template: Template, path: str) -> list[str]:
    return [f"{loss.wallet}: {loss.words}" for loss in losses_of(template) if loss.path == path]


@pytest.mark.parametrize("name", ["ean13", "code39", "codabar", "itf"])
def test_what_ios_27_draws_is_not_said_to_be_lost(name: str) -> None:
    """E17: the pass carries the code, and the code that older phones draw after it."""
    template = design(barcode={"formats": (name,), "value": "member.card_number"})
    codes = neutral_pass(template, "fr")["barcodes"]
    assert [code["format"].startswith("PKBarcodeFormatQR") for code in codes] == [False, True]
    (words,) = said(template, "barcode.formats")
    assert words.startswith(f"apple: {name} is drawn from iOS 27 on; older iPhones and Apple Watch show the next code")


@pytest.mark.parametrize("notify", ["tier_changed", None])
def test_a_tier_on_the_class_is_not_called_silent_where_it_is_announced(notify: str | None) -> None:
    """E17: Google announces no change of a class; with `notify` a message does."""
    template = design(fields={"tier": {"google": "tier", "notify": notify, "empty": None}})
    assert said(template, "fields[2]") == ["google: tier is on the class: each value makes a class of its own"]
    message = ["google: news of tier is a message behind Google's own announcement"]
    assert said(template, "fields[2].notify") == (message if notify else [])


def test_news_that_no_phone_announces() -> None:
    """C12: said by `templates check` and by `templates losses` alike."""
    assert silent_news(POINTS) == []
    leaves = design(fields={"voucher": {"empty": ""}})
    (news,) = silent_news(leaves)
    assert (news.wallet, news.path) == ("apple", "fields[3].notify")
    assert news.words == "voucher leaves the pass without a value, so its first value is silent on iPhones"
    assert news in losses_of(leaves)
    (news,) = silent_news(design(fields={"voucher": {"apple": "none"}}))
    assert news.words == "voucher is not on the pass, so no iPhone announces its changes"
    assert {news.path for news in silent_news(design(style="coupon"))} == {"fields[0].notify", "fields[2].notify"}


def test_check_says_which_news_is_silent(tmp_path: Path) -> None:
    folder = tmp_path / "points-card"
    for file in (DESIGNS / "points-card").rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(DESIGNS / "points-card")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    document = (folder / "template.toml").read_text(encoding="utf-8").replace('empty = "voucher_none"', 'empty = ""')
    (folder / "template.toml").write_text(document, encoding="utf-8")
    for language in ("fr", "en"):
        words = folder / "words" / f"{language}.toml"
        lines = words.read_text(encoding="utf-8").splitlines(keepends=True)
        words.write_text("".join(line for line in lines if not line.startswith("voucher_none")), encoding="utf-8")
    told = CliRunner().invoke(templates, ["check", str(folder)])
    assert told.exit_code == 0, told.output
    assert "  apple: fields[3].notify: voucher leaves the pass without a value" in told.output
    assert "notify" not in CliRunner().invoke(templates, ["check", str(DESIGNS / "points-card")]).output
