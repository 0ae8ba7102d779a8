"""The designs of the tests of linked passes: the shipped ones, and a ticket that shows what was said of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import OpenSystem
from tests.system import System

SHIPPED = Path(__file__).parents[2] / "pass_templates"
_SEAT = """
[[fields]]
id = "seat"
value = "linked.lines.seat or 'free'"
label = "amount_label"
notify = "amount_changed"
apple = "auxiliary"
google = "text"

[[fields]]
id = "worth"
kind = "money"
value = "linked.amount"
label = "for_label"
apple = "auxiliary"
google = "text"

[[links]]
"""


def linked_system(open_system: OpenSystem, folder: Path) -> System:
    """The usual system, whose cards may have passes in the designs `voucher` and `ticket` beside them."""
    designs = folder / "designs"
    shutil.copytree(SHIPPED, designs)
    shutil.copytree(designs / "voucher", designs / "ticket")
    document = designs / "ticket" / "template.toml"
    ticket = document.read_text(encoding="utf-8").replace("[[links]]", _SEAT, 1)
    ticket = ticket.replace('expires = "(balance.vouchers | first).valid_until"\n', "")
    document.write_text(ticket, encoding="utf-8")
    system = open_system(WALLET_TEMPLATES_DIR=str(designs))
    apply_linked(system, "voucher", "ticket")
    return system


def apply_linked(system: System, *names: str, although_issued: bool = False) -> tuple[str, ...]:
    """Apply the programme with these linked designs; returns what that changed."""
    file = system.folder / "program.toml"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "linked_templates" not in line]
    at = next(number for number, line in enumerate(lines) if line.startswith("template ="))
    lines.insert(at, f"linked_templates = {list(names)}".replace("'", '"'))
    file.write_text("\n".join(lines), encoding="utf-8")
    return system.apply(although_issued=although_issued).changes
