"""What `docs/templates.md` promises to authors is what the program knows."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from wallet_service.cards.expressions import FILTERS, kinds_in
from wallet_service.cards.facts import Facts
from wallet_service.documents.balances import VoucherFacts

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")


def test_every_fact_and_every_filter_is_described() -> None:
    for root, info in Facts.model_fields.items():
        row = re.search(rf"^\| `{root}` \|(.*)$", PAGE, re.MULTILINE)
        assert row, f"{root} is not in the table of names"
        (model,) = kinds_in(info.annotation)
        assert issubclass(model, BaseModel)
        names = [*model.model_fields, *(VoucherFacts.model_fields if root == "balance" else ())]
        assert [name for name in names if not re.search(rf"`{name}[.`]", row[1])] == []
    assert [name for name in FILTERS if name not in ("d", "count") and not re.search(rf"`{name}[`(]", PAGE)] == []
