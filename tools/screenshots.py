"""Take the pictures of the console for the docs: `python -m tools.screenshots [FOLDER]`.

Starts the demo's installation, signs in as its administrator and takes every page of the table below, 1280 and 390
pixels wide, light and dark, as WebP small enough to be kept. Run it again after a change that shows. Needs the system's
Chromium, as the browser routes do.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import chromium_path
from wallet_service.access.links import make_link
from wallet_service.access.roles import OPERATOR
from wallet_service.access.users import invite
from wallet_service.clock import system_clock
from wallet_service.demo.brand import MEMBERS, POINTS, TOUR_MEMBER
from wallet_service.demo.installation import DemoInstallation, start_installation
from wallet_service.demo.staff import StaffMember, create_staff
from wallet_service.services import build_services
from wallet_service.settings import settings_from
from wallet_service.stores.import_jobs import keep_file, start_import

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "images" / "console"
WIDTHS: Mapping[str, int] = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
TALL = 1100
"""Pixels of the window; what is below is left out."""
WIDEST = 960
"""Pixels of the picture: a wide window is kept smaller."""
QUALITY = 14
SHOP = "lyon-presquile"
CARD_NUMBER = str(MEMBERS[TOUR_MEMBER]["card_number"])
_FILE = "code;nom;lat;lon\ndijon;Maison Lumière Dijon;47,322;5,041\nreims;Maison Lumière Reims;49,254;4,034\nx;;1;2\n"
_OVERLAY = {
    "title": "Black Friday",
    "colours": {"background": "#101010", "text": "#FFFFFF", "label": "#FFD400"},
    "words": {"fr": {"offer_label": "Black Friday"}, "en": {"offer_label": "Black Friday"}},
}
_PREFIX = f"/console/{POINTS.program_id}"


def _simulate(page: Page) -> None:
    page.locator("[name=member]").fill(CARD_NUMBER)
    page.locator("[name=store_id]").select_option(SHOP)
    page.locator("[name=points]").fill("45.7569, 4.8320")
    page.locator(".savebar button").click()


def _look_up(page: Page) -> None:
    page.locator("[name=member]").fill(CARD_NUMBER)
    page.locator("main form button").click()


@dataclass(frozen=True)
class Picture:
    """One page: its endpoint, its address with the things that it names, and what is done before it is taken."""

    endpoint: str
    path: str
    act: Callable[[Page], None] | None = field(default=None, compare=False)
    signed_in: bool = True

    @property
    def name(self) -> str:
        """The file's name without what follows: width, scheme, suffix."""
        words = self.endpoint.removeprefix("console.").split("_")
        half = len(words) // 2
        return "-".join(words[:half] if words[:half] == words[half:] else words)


PICTURES = (
    Picture("console.sign_in_sign_in", "/console/sign-in", signed_in=False),
    Picture("console.sign_in_forgotten", "/console/forgotten", signed_in=False),
    Picture("console.sign_in_invitation", "/console/invitation/{invitation}", signed_in=False),
    Picture("console.sign_in_reset", "/console/reset/{reset}", signed_in=False),
    Picture("console.sign_in_second_factor", "/console/second-factor"),
    Picture("console.home_home", f"{_PREFIX}/"),
    Picture("console.offers_offers", f"{_PREFIX}/offers"),
    Picture("console.offers_form_new", f"{_PREFIX}/offers/new"),
    Picture("console.offers_form_edit", f"{_PREFIX}/offers/{{offer}}/edit"),
    Picture("console.offers_check_offer", f"{_PREFIX}/offers/{{offer}}"),
    Picture("console.offers_check_end", f"{_PREFIX}/offers/{{offer}}/end"),
    Picture("console.offers_check_drop", f"{_PREFIX}/offers/{{draft}}/drop"),
    Picture("console.offer_report_report", f"{_PREFIX}/offers/{{offer}}/report"),
    Picture("console.overlays_overlays", f"{_PREFIX}/overlays"),
    Picture("console.overlays_form_new", f"{_PREFIX}/overlays/new"),
    Picture("console.overlays_form_edit", f"{_PREFIX}/overlays/{{overlay}}/edit"),
    Picture("console.overlays_overlay", f"{_PREFIX}/overlays/{{overlay}}"),
    Picture("console.overlays_withdraw", f"{_PREFIX}/overlays/{{overlay}}/withdraw"),
    Picture("console.overlays_delete", f"{_PREFIX}/overlays/{{overlay}}/delete"),
    Picture("console.stores_stores", f"{_PREFIX}/stores"),
    Picture("console.store_form_store", f"{_PREFIX}/stores/{SHOP}"),
    Picture("console.store_form_new", f"{_PREFIX}/stores/new"),
    Picture("console.stores_delete", f"{_PREFIX}/stores/{SHOP}/delete"),
    Picture("console.store_imports_bring", f"{_PREFIX}/stores/import"),
    Picture("console.store_imports_rehearsal", f"{_PREFIX}/stores/import/{{number}}"),
    Picture("console.store_imports_progress", f"{_PREFIX}/stores/import/{{applied}}/progress"),
    Picture("console.simulator_simulator", f"{_PREFIX}/simulator", _simulate),
    Picture("console.card_places_card_places", f"{_PREFIX}/card-places", _look_up),
    Picture("console.team_team", f"{_PREFIX}/team"),
    Picture("console.team_invitation", f"{_PREFIX}/team/invite"),
    Picture("console.team_person", f"{_PREFIX}/team/{{person}}"),
    Picture("console.team_act", f"{_PREFIX}/team/{{person}}/lock"),
    Picture("console.journal_journal", f"{_PREFIX}/journal"),
    Picture("console.account_account", "/console/account"),
    Picture("console.account_password", "/console/account/password"),
    Picture("console.account_password_again", "/console/account/password-again"),
    Picture("console.account_second_factor", "/console/account/second-factor"),
    Picture("console.account_remove", "/console/account/second-factor/remove"),
)
"""Every page of the console; a test holds it against the routes."""


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = chromium_path()
    if path is None:
        sys.exit("this needs the system's Chromium (Debian's package chromium), or CHROMIUM=…")
    with (
        tempfile.TemporaryDirectory() as work,
        start_installation(Path(work), ROOT / "pass_templates", print) as demo,
        sync_playwright() as playwright,
    ):
        staff = create_staff(demo.environment)
        things = make_things(demo)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        sizes = take_all(browser, demo.url, staff[0], things, folder)
        browser.close()
    print(f"{len(sizes)} pictures, {sum(sizes) / 1_000_000:.2f} MB in {folder}")


def make_things(demo: DemoInstallation) -> dict[str, str]:
    """What the pages show beside the demo's stores: a running offer, an import with a refused row, somebody invited."""
    demo.api("PUT", f"/members/{TOUR_MEMBER}", MEMBERS[TOUR_MEMBER])
    now = system_clock()
    offer = {
        "code": "maille-noel",
        "title": {"fr": "−20 % sur la maille", "en": "20% off knitwear"},
        "proximity_text": {"fr": "−20 % sur la maille, ce soir", "en": "20% off knitwear tonight"},
        "store_ids": [SHOP],
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=6)).isoformat(),
    }
    made = demo.api("POST", "/offers", offer)
    demo.api("POST", f"/offers/{made['id']}/publish")
    draft = demo.api(
        "POST", "/offers", offer | {"code": "brouillon", "title": {"fr": "Soirée privée", "en": "An evening"}}
    )
    demo.api("PUT", "/overlays/black-friday", _OVERLAY | {name: offer[name] for name in ("starts_at", "ends_at")})
    demo.api("POST", "/overlays/black-friday/publish")
    card = demo.api("POST", f"/members/{TOUR_MEMBER}/card")
    demo.iphone.open_link(card["links"]["card"])
    services = build_services(settings_from(demo.environment))
    try:
        with services.sessions.begin() as db:
            program = services.program_cache.program(db, POINTS.program_id).document
            kept = [
                keep_file(
                    db, program.id, OPERATOR, file_name="magasins.csv", text=_FILE, columns={}, now=services.clock()
                )
                for _ in range(2)
            ]
            start_import(db, program, kept[1], OPERATOR, now=services.clock())
            people = [
                invite(
                    db,
                    OPERATOR,
                    email=f"{name}@maison-lumiere.example",
                    name=name.title(),
                    locale="fr",
                    program_id=program.id,
                    role="marketing",
                    store_ids=(),
                    now=services.clock(),
                )
                for name in ("hugo", "chloe")
            ]
            return {
                "offer": str(made["id"]),
                "draft": str(draft["id"]),
                "overlay": "black-friday",
                "number": str(kept[0]),
                "applied": str(kept[1]),
                "person": str(people[0].user_id),
                "invitation": make_link(db, people[0].user_id, "invitation", now=services.clock()),
                "reset": make_link(db, people[1].user_id, "reset", now=services.clock()),
            }
    finally:
        services.close()


def take_all(browser: Browser, url: str, person: StaffMember, things: Mapping[str, str], folder: Path) -> list[int]:
    """Every picture in every look; returns their sizes in bytes."""
    sizes = []
    for look, page in _looks(browser):
        public = [picture for picture in PICTURES if not picture.signed_in]
        sizes += [_take(page, url, picture, things, folder, look) for picture in public]
        _sign_in(page, url, person)
        own = [picture for picture in PICTURES if picture.signed_in]
        sizes += [_take(page, url, picture, things, folder, look) for picture in own]
    return sizes


def _take(page: Page, url: str, picture: Picture, things: Mapping[str, str], folder: Path, look: str) -> int:
    page.goto(url + picture.path.format_map(things))
    if picture.act is not None:
        picture.act(page)
    page.wait_for_load_state("networkidle")
    return _keep(page.screenshot(), folder / f"{picture.name}.{look}.webp")


def _looks(browser: Browser) -> Iterator[tuple[str, Page]]:
    for width, across in WIDTHS.items():
        for scheme in SCHEMES:
            with _window(browser, across, scheme) as page:
                yield f"{width}.{scheme}", page


@contextmanager
def _window(browser: Browser, across: int, scheme: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": across, "height": TALL},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="fr-FR",
        reduced_motion="reduce",
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def _sign_in(page: Page, url: str, person: StaffMember) -> None:
    page.goto(f"{url}/console/sign-in")
    page.locator("[name=email]").fill(person.email)
    page.locator("[name=password]").fill(person.password)
    page.locator("main button").last.click()
    page.wait_for_url(f"**{_PREFIX}/")


def _keep(png: bytes, path: Path) -> int:
    """Write it as WebP; returns its size."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    image.save(path, "WEBP", quality=QUALITY, method=6)
    return path.stat().st_size


if __name__ == "__main__":
    main()
