"""The tour in French: from the words of `tour.py` to those of the page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TOUR_IN_FRENCH: Mapping[str, str] = MappingProxyType(
    {
        "Claire is enrolled, with a points card and a stamp card": (
            "Claire est inscrite, avec une carte de points et une carte à tampons"
        ),
        "The iPhone opens both smart links, adds the passes and registers": (
            "L’iPhone ouvre les deux liens, ajoute les cartes et s’enregistre"
        ),
        "The Android phone opens the link and saves the card": "Le téléphone Android ouvre le lien et garde la carte",
        "The CRM reports a purchase of 79.90 €": "Le CRM signale un achat de 79,90 €",
        "The same event comes again: nothing changes, nobody is told": (
            "Le même événement revient : rien ne change, personne n’est prévenu"
        ),
        "The workshop stamps the second card": "L’atelier tamponne la seconde carte",
        "A shop’s offer appears near {shop}, and ends by itself": (
            "Une offre apparaît près de {shop}, et prend fin d’elle-même"
        ),
        "Claire takes the card off her iPhone": "Claire retire la carte de son iPhone",
        "{program}: card {serial}…": "{program} : carte {serial}…",
        "pass {serial}… is in Wallet, signature and rules checked": (
            "la carte {serial}… est dans Cartes, signature et règles vérifiées"
        ),
        "saved; Google's signed callback is on its way": "gardée ; le rappel signé de Google est en route",
        "the service knows: saved": "le service le sait : gardée",
        "event {event}: {status}": "événement {event} : {status}",
        "APNs has the announcement ({status})": "APNs a reçu l’annonce ({status})",
        "iPhone notification: {text}": "notification sur l’iPhone : {text}",
        "iPhone: registered": "iPhone : enregistré",
        "iPhone: pushed": "iPhone : notification d’APNs reçue",
        "iPhone: listed": "iPhone : a demandé quelles cartes ont changé",
        "iPhone: fetched": "iPhone : a relevé la carte",
        "iPhone: shown": "iPhone : affiche la carte",
        "Android shows {points} points": "Android affiche {points} points",
        "proved: wanted = told = fetched on the iPhone, wanted = told at Google": (
            "prouvé : voulue = annoncée = relevée sur l’iPhone, voulue = annoncée chez Google"
        ),
        "offer published for {seconds} s": "offre publiée pour {seconds} s",
        "iPhone at the shop’s door: “{text}”": "iPhone à la porte de la boutique : « {text} »",
        "Google object: {places} merchantLocations, offer shown": (
            "objet Google : {places} merchantLocations, offre affichée"
        ),
        "the offer is over: it has left the pass by itself": "l’offre est finie : elle a quitté la carte d’elle-même",
        "the service has forgotten the registration": "le service a oublié l’enregistrement",
    }
)

ANSWERS_IN_FRENCH: Mapping[str, str] = MappingProxyType(
    {
        "applied": "appliqué",
        "repeated": "déjà connu, laissé de côté",
        "ignored": "laissé de côté",
        "refused": "refusé",
        "accepted": "acceptée",
    }
)
"""What the service and the platforms answer, where the tour repeats it."""
