"""The columns of a file of stores, and the names that people give them in French and English. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from wallet_service.documents.opening_hours import DAYS

IGNORED = "-"
"""What somebody chooses for a column that is not to be read."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "store_id": ("store_id", "Identifiant", "Code magasin", "Code", "ID", "Store ID", "Store code", "Numéro"),
    "name": ("name", "Nom", "Magasin", "Store", "Store name", "Nom du magasin", "Enseigne"),
    "short_name": ("short_name", "Nom court", "Short name"),
    "latitude": ("latitude", "Lat"),
    "longitude": ("longitude", "Lon", "Lng", "Long"),
    "position": ("position", "Coordonnées", "GPS", "Coordinates", "Lien carte", "Map link"),
    "street": ("street", "Adresse", "Rue", "Address", "Address line 1", "Adresse 1"),
    "postal_code": ("postal_code", "Code postal", "CP", "Postcode", "Postal code", "Zip", "Zip code"),
    "city": ("city", "Ville", "Commune", "Town"),
    "country": ("country", "Pays"),
    "phone": ("phone", "Téléphone", "Tél", "Telephone", "Phone number"),
    "time_zone": ("time_zone", "Fuseau horaire", "Fuseau", "Time zone", "Timezone"),
    "groups": ("groups", "Groupes", "Groupe", "Group", "Région", "Region"),
    "proximity_text": ("proximity_text", "Texte d’écran verrouillé", "Lock-screen text", "Texte de proximité"),
    "mo": ("mo", "Lundi", "Monday", "Lun", "Mon"),
    "tu": ("tu", "Mardi", "Tuesday", "Mar", "Tue"),
    "we": ("we", "Mercredi", "Wednesday", "Mer", "Wed"),
    "th": ("th", "Jeudi", "Thursday", "Jeu", "Thu"),
    "fr": ("fr", "Vendredi", "Friday", "Ven", "Fri"),
    "sa": ("sa", "Samedi", "Saturday", "Sam", "Sat"),
    "su": ("su", "Dimanche", "Sunday", "Dim", "Sun"),
    "closed_on_public_holidays": (
        "closed_on_public_holidays",
        "Fermé les jours fériés",
        "Closed on public holidays",
    ),
    "exceptions": ("exceptions", "Horaires exceptionnels", "Special hours"),
    "opening_hours": ("opening_hours", "Horaires", "Opening hours", "Heures d’ouverture"),
    "beacons": ("beacons", "Balises"),
}
"""Column → its names: the one that files of ours have, the French one, then others. `proximity_text` may name a
language: `proximity_text.en`."""

HOURS = (*DAYS, "closed_on_public_holidays", "exceptions", "opening_hours")
PLACE = ("latitude", "longitude", "position")


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "", plain)


_BY_NAME = {_folded(name): column for column, names in NAMES.items() for name in names}
_LANGUAGE = re.compile(r"(.+?)[\s._(-]+([a-z]{2})\)?", re.IGNORECASE)


def column_named(name: str, locales: Sequence[str]) -> str | None:
    """The column that a header means; None where it means none."""
    known = _BY_NAME.get(_folded(name))
    if known is not None:
        return known
    language = _LANGUAGE.fullmatch(name.strip())
    if language is not None and _BY_NAME.get(_folded(language[1])) == "proximity_text":
        return next((f"proximity_text.{each}" for each in locales if each.split("-")[0] == language[2].lower()), None)
    return None


def columns_for(locales: Sequence[str]) -> list[str]:
    """Every column that a programme's files may have, in the order of our own files."""
    found: list[str] = []
    for column in NAMES:
        found += [f"proximity_text.{locale}" for locale in locales] if column == "proximity_text" else [column]
    return found
