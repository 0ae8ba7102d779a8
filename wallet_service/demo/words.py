"""The words of the demo's page, in French and English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

LANGUAGES = ("fr", "en")

_FR = {
    "title": "Maison Lumière, la démonstration",
    "lead": "Une carte de fidélité, deux téléphones, et le vrai service entre les deux, sur cette machine.",
    "other_language": "English",
    "skip": "Aller aux téléphones",
    "try_it": "Essayez",
    "purchase": "Achat de 25 €",
    "offer": "Offre d’une minute à Lyon",
    "offline": "Mettre l’iPhone hors ligne",
    "online": "Remettre l’iPhone en ligne",
    "refresh": "Actualiser la carte",
    "done_purchase": "L’achat est enregistré : la carte suit.",
    "done_offer": "L’offre est publiée : elle apparaît près de la boutique, et partira seule dans une minute.",
    "done_offline": "L’iPhone est hors ligne. Essayez un achat, puis remettez-le en ligne.",
    "done_online": "L’iPhone est de nouveau en ligne : il reçoit ce qu’il a manqué.",
    "done_refresh": "L’iPhone a demandé si la carte a changé.",
    "failed": "Le service a refusé :",
    "phones": "Ce que les téléphones montrent",
    "iphone": "iPhone de Claire",
    "lock": "Écran verrouillé de l’iPhone",
    "android": "Téléphone Android de Claire",
    "is_online": "en ligne",
    "is_offline": "hors ligne",
    "nothing_yet": "aucune notification",
    "live": "Les images changent d’elles-mêmes.",
    "no_script": "Sans JavaScript, rechargez la page pour voir les changements.",
    "reload": "Recharger",
    "proof": "Où en est chaque téléphone",
    "far_end": "Téléphone",
    "apple": "iPhone (Apple)",
    "google": "Google",
    "wanted": "Voulue",
    "told": "Annoncée",
    "fetched": "Relevée",
    "state": "État",
    "log": "À l’instant",
    "at": "Heure",
    "phone": "Appareil",
    "what": "Quoi",
    "step_added": "carte ajoutée",
    "step_registered": "enregistré auprès du service",
    "step_unregistered": "désenregistré",
    "step_pushed": "notification d’APNs reçue",
    "step_listed": "a demandé quelles cartes ont changé",
    "step_fetched": "a relevé la carte",
    "step_unchanged": "la carte n’a pas changé",
    "step_shown": "affiche la carte",
    "step_notified": "notification à l’écran",
    "step_refused": "carte refusée",
    "step_gave_up": "n’a pas pu joindre le service",
    "step_lied": "a joué une fausse réponse",
    "step_slept": "s’est endormi",
    "step_logged": "a écrit au journal du service",
    "step_removed": "carte retirée",
    "step_opened": "lien ouvert",
    "step_saved": "carte enregistrée",
    "tour": "La visite",
    "tour_lead": "Jouée au démarrage avec les vrais processus ; le temps compte depuis le début de chaque étape.",
    "after": "Après",
    "commands": "À copier dans un terminal",
    "commands_lead": "L’API JSON, comme un CRM l’appelle, avec la clé et la carte de cette démonstration.",
    "command_purchase": "Un achat de 49,90 €",
    "command_balances": "Fixer le solde et le statut",
    "command_card": "La carte et la preuve pour chaque téléphone",
    "command_timeline": "Le chemin de chaque changement, en millisecondes",
    "command_offer": "Une offre de cinq minutes près de Lyon",
    "command_void": "Annuler la carte (définitif, pour cette démonstration)",
    "copy": "Copier",
    "copied": "Copié",
    "links": "À ouvrir",
    "link_docs": "Documentation de l’API",
    "link_card": "Lien de la carte, tel qu’un client le reçoit",
    "link_metrics": "Mesures",
    "link_ready": "État du service",
    "fields_of": "{phone} : {fields}.",
    "lost": "La démonstration s’est arrêtée.",
    "says_apple_up_to_date": "{phone} : <strong>à jour</strong> depuis {at}.",
    "says_apple_up_to_date_after": "{phone} : <strong>à jour</strong> depuis {at} — récupérée {took} après {cause}.",
    "says_apple_told": "{phone} : <strong>prévenu</strong> à {at}, n’est pas encore venu chercher la carte.",
    "says_apple_told_offline": (
        "{phone} : <strong>prévenu</strong> à {at}, hors ligne : n’est pas encore venu chercher la carte."
    ),
    "says_apple_waiting": "{phone} : <strong>en attente</strong>, sera prévenu dans un instant.",
    "says_apple_offline": "{phone} : <strong>en attente</strong>, hors ligne.",
    "says_google_up_to_date": (
        "{phone} <strong>a la dernière version</strong> ({at}) ; l’affichage par le téléphone n’est pas "
        "communiqué par Google."
    ),
    "says_google_waiting": "{phone} : <strong>en attente</strong>, recevra la nouvelle version dans un instant.",
    "says_gone": "{phone} : <strong>retirée</strong> à {at}.",
    "says_stale": "{phone} : <strong>ne répond plus</strong>, prévenu à {at}.",
    "says_refused": "{phone} : <strong>refusé</strong> à {at} ; l’exploitant du service doit agir.",
    "after_purchase": "l’achat",
    "after_change": "le changement",
    "technical": "Détails techniques",
    "technical_lead": "Les versions de la carte, comme le service les compte pour chaque téléphone.",
    "serial": "Numéro de série de la carte",
    "state_up_to_date": "à jour",
    "state_waiting": "à annoncer",
    "state_told": "annoncé, pas encore relevé",
    "state_stale": "en retard",
    "state_gone": "parti",
    "state_refused": "refusé",
    "unsaid": "Google ne le dit pas",
    "log_lead": "À l’heure des magasins ({city}), comme l’écran verrouillé.",
    "tour_done": "{count} étapes, toutes réussies, en {took}",
    "tour_done_one": "1 étape, réussie, en {took}",
    "entries": "Qui fait quoi",
    "entries_lead": "Quatre personnes, chacune avec ce qu’elle ferait aujourd’hui.",
    "entry_store": "Le magasin de Lyon",
    "entry_marketing": "Le marketing",
    "entry_customer": "La cliente",
    "entry_support": "Le service client",
    "route_store": (
        "Publier une offre pour ce soir à Lyon : Offres, « Créer une offre », « Vérifier », « Publier » — "
        "l’iPhone ci-dessus la montre à la porte du magasin."
    ),
    "route_marketing": (
        "Habiller les cartes pour une soirée : Habillages, « Créer un habillage », une couleur, un texte, « "
        "Publier » — les deux cartes changent, puis redeviennent comme avant."
    ),
    "route_customer": "Ouvrir le lien que Claire a reçu et voir ce qu’un iPhone, un Android ou un ordinateur y trouve.",
    "route_support": (
        "Claire dit que sa carte n’a pas changé : lire la phrase de son téléphone, puis le chemin de chaque "
        "changement et le choix de ses magasins."
    ),
    "entry_address": "Adresse",
    "entry_email": "E-mail",
    "entry_password": "Mot de passe",
    "open_console": "Ouvrir la console",
    "open_card": "Ouvrir le lien de la carte",
    "open_timeline": "Le chemin de chaque changement",
    "open_places": "Pourquoi ces magasins",
    "command_places": "Pourquoi la carte a ces magasins, et pas d’autres",
}

_EN = {
    "title": "Maison Lumière, the demo",
    "lead": "A loyalty card, two phones, and the real service between them, on this machine.",
    "other_language": "Français",
    "skip": "Skip to the phones",
    "try_it": "Try it",
    "purchase": "Purchase of 25 €",
    "offer": "One-minute offer in Lyon",
    "offline": "Take the iPhone offline",
    "online": "Bring the iPhone online",
    "refresh": "Refresh the card",
    "done_purchase": "The purchase is recorded: the card follows.",
    "done_offer": "The offer is published: it appears near the shop, and leaves by itself in a minute.",
    "done_offline": "The iPhone is offline. Try a purchase, then bring it back.",
    "done_online": "The iPhone is online again: it receives what it missed.",
    "done_refresh": "The iPhone asked whether the card has changed.",
    "failed": "The service refused:",
    "phones": "What the phones show",
    "iphone": "Claire’s iPhone",
    "lock": "The iPhone’s lock screen",
    "android": "Claire’s Android phone",
    "is_online": "online",
    "is_offline": "offline",
    "nothing_yet": "no notification",
    "live": "The pictures change by themselves.",
    "no_script": "Without JavaScript, reload the page to see what changed.",
    "reload": "Reload",
    "proof": "How each phone stands",
    "far_end": "Phone",
    "apple": "iPhone (Apple)",
    "google": "Google",
    "wanted": "Wanted",
    "told": "Told",
    "fetched": "Fetched",
    "state": "State",
    "log": "Just now",
    "at": "Time",
    "phone": "Device",
    "what": "What",
    "step_added": "card added",
    "step_registered": "registered with the service",
    "step_unregistered": "unregistered",
    "step_pushed": "push received from APNs",
    "step_listed": "asked which cards have changed",
    "step_fetched": "fetched the card",
    "step_unchanged": "the card has not changed",
    "step_shown": "shows the card",
    "step_notified": "notification on the screen",
    "step_refused": "card refused",
    "step_gave_up": "could not reach the service",
    "step_lied": "gave a false answer",
    "step_slept": "fell asleep",
    "step_logged": "wrote to the service’s log",
    "step_removed": "card removed",
    "step_opened": "link opened",
    "step_saved": "card saved",
    "tour": "The tour",
    "tour_lead": "Played at the start with the real processes; times count from the beginning of each step.",
    "after": "After",
    "commands": "To copy into a terminal",
    "commands_lead": "The JSON API, as a CRM calls it, with this demo’s key and card.",
    "command_purchase": "A purchase of 49.90 €",
    "command_balances": "Set the balance and the tier",
    "command_card": "The card, and the proof for each phone",
    "command_timeline": "The way of every change, in milliseconds",
    "command_offer": "An offer for five minutes near Lyon",
    "command_void": "Void the card (for good, in this demo)",
    "copy": "Copy",
    "copied": "Copied",
    "links": "To open",
    "link_docs": "API documentation",
    "link_card": "The card’s link, as a customer gets it",
    "link_metrics": "Metrics",
    "link_ready": "State of the service",
    "fields_of": "{phone}: {fields}.",
    "lost": "The demo has stopped.",
    "says_apple_up_to_date": "{phone}: <strong>up to date</strong> since {at}.",
    "says_apple_up_to_date_after": "{phone}: <strong>up to date</strong> since {at} — fetched {took} after {cause}.",
    "says_apple_told": "{phone}: <strong>announced</strong> at {at}, has not come for the card yet.",
    "says_apple_told_offline": "{phone}: <strong>announced</strong> at {at}, offline: has not come for the card yet.",
    "says_apple_waiting": "{phone}: <strong>waiting</strong>, will be told in a moment.",
    "says_apple_offline": "{phone}: <strong>waiting</strong>, offline.",
    "says_google_up_to_date": (
        "{phone} <strong>has the latest version</strong> ({at}); Google does not say when the phone shows it."
    ),
    "says_google_waiting": "{phone}: <strong>waiting</strong>, gets the new version in a moment.",
    "says_gone": "{phone}: <strong>removed</strong> at {at}.",
    "says_stale": "{phone}: <strong>no longer answers</strong>, announced at {at}.",
    "says_refused": "{phone}: <strong>refused</strong> at {at}; who operates the service must act.",
    "after_purchase": "the purchase",
    "after_change": "the change",
    "technical": "Technical details",
    "technical_lead": "The versions of the card, as the service counts them for each phone.",
    "serial": "Serial number of the card",
    "state_up_to_date": "up to date",
    "state_waiting": "to be told",
    "state_told": "told, not fetched yet",
    "state_stale": "late",
    "state_gone": "gone",
    "state_refused": "refused",
    "unsaid": "Google does not say",
    "log_lead": "By the clock of the stores ({city}), like the lock screen.",
    "tour_done": "{count} steps, all of them well, in {took}",
    "tour_done_one": "1 step, well, in {took}",
    "entries": "Who does what",
    "entries_lead": "Four people, each with what they would do today.",
    "entry_store": "The Lyon store",
    "entry_marketing": "Marketing",
    "entry_customer": "The customer",
    "entry_support": "Customer support",
    "route_store": (
        "Publish an offer for tonight in Lyon: Offers, “Create an offer”, “Review”, “Publish” — the iPhone above "
        "shows it at the store’s door."
    ),
    "route_marketing": (
        "Dress the cards for an evening: Overlays, “Create an overlay”, a colour, a text, “Publish” — both cards "
        "change, and are then as before."
    ),
    "route_customer": (
        "Open the link that Claire was sent, and see what an iPhone, an Android phone or a computer finds there."
    ),
    "route_support": (
        "Claire says that her card has not changed: read her phone’s sentence, then the way of every change and "
        "the choice of her stores."
    ),
    "entry_address": "Address",
    "entry_email": "E-mail",
    "entry_password": "Password",
    "open_console": "Open the console",
    "open_card": "Open the card’s link",
    "open_timeline": "The way of every change",
    "open_places": "Why these stores",
    "command_places": "Why the card has these stores, and no others",
}


def typeset(french: str) -> str:
    """French with the narrow space that no line breaks at, before high marks and inside quotation marks."""
    return re.sub(r" (?=[:;!?»])|(?<=«) ", "\u202f", french)


WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"fr": {name: typeset(text) for name, text in _FR.items()}, "en": _EN}
)


def language_of(asked: str | None, accept_language: str) -> str:
    """The language of a visitor: the one asked for, else the first of `Accept-Language` on offer, else French."""
    if asked in LANGUAGES:
        return str(asked)
    wanted = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        wanted.append((-weight, place, tag.split("-")[0].lower()))
    return next((tag for weight, _, tag in sorted(wanted) if tag in LANGUAGES and weight < 0), "fr")
