"""The words of our own pages, in French and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import request

WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "your_card": "Votre carte",
        "in_your_phone": "La carte dans votre téléphone",
        "scan": "Scannez ce code avec l’appareil photo de votre téléphone : la carte s’y ajoute en un geste.",
        "qr_alt": "Code QR qui mène à votre carte",
        "apple": "Ajouter à Apple Wallet (Cartes)",
        "google": "Ajouter à Google Wallet",
        "on_iphone": "Sur iPhone, ouvrez cette page dans Safari.",
        "or_here": "Vous êtes déjà sur votre téléphone ?",
        "nothing_opens": "Rien ne s’ouvre ? Ouvrez cette page dans Safari :",
        "open_in_safari": "Ouvrez dans Safari",
        "open_in_chrome": "Ouvrez dans Chrome",
        "not_in_this_app": "Cette application ne peut pas ajouter la carte. Votre navigateur le peut.",
        "touch_the_menu": "Touchez ⋯",
        "choose_the_browser": "Choisissez « Ouvrir dans le navigateur »",
        "or_copy": "Ou copiez ce lien dans votre navigateur :",
        "no_wallet": "Cette carte n’existe pas pour ce portefeuille",
        "no_wallet_text": "Votre lien est bon, mais l’enseigne ne propose pas la carte dans ce portefeuille.",
        "nothing_here": "Cette carte n’est pas disponible",
        "nothing_here_text": "Le lien est incomplet ou n’est plus valable. Demandez-en un nouveau à la boutique.",
        "not_now": "La carte ne peut pas être remise pour l’instant",
        "not_now_text": "Votre lien est bon. Réessayez dans quelques minutes ; si cela dure, prévenez la boutique.",
        "erased": "Cette carte a été supprimée",
        "erased_text": "La carte et les données qu’elle portait ont été effacées. La boutique peut vous en faire une "
        "nouvelle.",
    },
    "en": {
        "your_card": "Your card",
        "in_your_phone": "The card in your phone",
        "scan": "Scan this code with your phone’s camera: the card is added in one tap.",
        "qr_alt": "QR code that leads to your card",
        "apple": "Add to Apple Wallet",
        "google": "Add to Google Wallet",
        "on_iphone": "On an iPhone, open this page in Safari.",
        "or_here": "Already on your phone?",
        "nothing_opens": "Nothing opens? Open this page in Safari:",
        "open_in_safari": "Open in Safari",
        "open_in_chrome": "Open in Chrome",
        "not_in_this_app": "This app cannot add the card. Your browser can.",
        "touch_the_menu": "Touch ⋯",
        "choose_the_browser": "Choose “Open in browser”",
        "or_copy": "Or copy this link into your browser:",
        "no_wallet": "There is no card for this wallet",
        "no_wallet_text": "Your link is good, but the brand does not offer the card in this wallet.",
        "nothing_here": "This card is not available",
        "nothing_here_text": "The link is incomplete or no longer valid. Ask the shop for a new one.",
        "not_now": "The card cannot be handed out at the moment",
        "not_now_text": "Your link is right. Try again in a few minutes; if it lasts, tell the shop.",
        "erased": "This card was deleted",
        "erased_text": "The card and the data that it held were erased. The shop can make you a new one.",
    },
}


def words_in(locale: str) -> Mapping[str, str]:
    """The words of a locale; English where there are none."""
    return WORDS.get(locale.split("-")[0], WORDS["en"])


def locale_of_request(offered: Sequence[str]) -> str:
    """The visitor's own language among those offered, else the first."""
    return request.accept_languages.best_match(list(offered)) or offered[0]
