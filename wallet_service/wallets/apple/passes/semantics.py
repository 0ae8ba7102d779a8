"""The semantic tags that Apple documents, each with the kind of value that it takes (SemanticTagType). A tag not here
is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, NotRequired

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from wallet_service.wallets.apple.passes.model import Instant, Text, closed

_Amount = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]


@closed
class SemanticLocation(TypedDict):
    """Degrees."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


@closed
class CurrencyAmount(TypedDict):
    """The amount is a text: `12.50`."""

    amount: _Amount
    currencyCode: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


@closed
class Wifi(TypedDict):
    """A network that the holder may join."""

    ssid: Text
    password: Text


@closed
class PersonName(TypedDict, total=False):
    """The parts of a name (PersonNameComponents)."""

    givenName: Text
    familyName: Text
    middleName: Text
    namePrefix: Text
    nameSuffix: Text
    nickname: Text
    phoneticRepresentation: Text


@closed
class Seat(TypedDict, total=False):
    """Where to sit."""

    seatSection: Text
    seatRow: Text
    seatNumber: Text
    seatIdentifier: Text
    seatType: Text
    seatDescription: Text
    seatAisle: Text
    seatLevel: Text
    seatSectionColor: Text


@closed
class EventDateInfo(TypedDict):
    """When an event is, as far as is known."""

    date: NotRequired[Instant]
    timeZone: NotRequired[Text]
    ignoreTimeComponents: NotRequired[bool]
    unannounced: NotRequired[bool]
    undetermined: NotRequired[bool]


_KINDS: Mapping[str, Any] = {
    "text": Text,
    "instant": Instant,
    "number": float,
    "flag": bool,
    "texts": list[Text],
    "location": SemanticLocation,
    "money": CurrencyAmount,
    "wifi": list[Wifi],
    "name": PersonName,
    "seats": list[Seat],
    "event date": EventDateInfo,
    "objects": list[dict[str, Any]],
}
_READERS = {kind: TypeAdapter[Any](type_) for kind, type_ in _KINDS.items()}

_TAGS = {
    "text": """
        admissionLevel admissionLevelAbbreviation attendeeName awayTeamAbbreviation awayTeamName entranceDescription
        eventLiveMessage eventName eventType genre homeTeamAbbreviation homeTeamName leagueAbbreviation leagueName
        sportName venueEntrance venueEntranceDoor venueEntranceGate venueEntrancePortal venueName venuePhoneNumber
        venueRegionName venueRoom airlineCode boardingGroup boardingSequenceNumber boardingZone carNumber
        confirmationNumber flightCode internationalDocumentsVerifiedDeclarationName priorityStatus securityScreening
        ticketFareClass transitProvider transitStatus transitStatusReason vehicleName vehicleNumber vehicleType
        membershipProgramName membershipProgramNumber membershipProgramStatus
    """,
    "instant": """
        eventEndDate eventStartDate venueBoxOfficeOpenDate venueCloseDate venueDoorsOpenDate venueFanZoneOpenDate
        venueGatesOpenDate venueOpenDate venueParkingLotsOpenDate
    """,
    "number": "duration flightNumber",
    "flag": "silenceRequested tailgatingAllowed internationalDocumentsAreVerified",
    "texts": """
        additionalTicketAttributes albumIDs artistIDs performerNames playlistIDs loungePlaceIDs passengerAirlineSSRs
        passengerCapabilities passengerEligibleSecurityPrograms passengerInformationSSRs passengerServiceSSRs
        departureLocationSecurityPrograms destinationLocationSecurityPrograms
    """,
    "location": "awayTeamLocation homeTeamLocation venueLocation departureLocation destinationLocation",
    "money": "balance totalPrice",
    "wifi": "wifiAccess",
    "name": "passengerName",
    "seats": "seats",
    "event date": "eventStartDateInfo",
    "objects": "airplay",
}
_JOURNEY_DATES = product(("current", "original"), ("Arrival", "Boarding", "Departure"), ("Date",))
_JOURNEY_ENDS = product(
    ("departure", "destination"),
    ("AirportCode", "AirportName", "CityName", "Gate", "LocationDescription", "LocationTimeZone", "Platform",
     "StationName", "Terminal"),
)  # fmt: skip

KIND_OF_TAG: Mapping[str, str] = {
    **{tag: kind for kind, tags in _TAGS.items() for tag in tags.split()},
    **{"".join(parts): "instant" for parts in _JOURNEY_DATES},
    **{"".join(parts): "text" for parts in _JOURNEY_ENDS},
}
SEMANTIC_TAGS = frozenset(KIND_OF_TAG)


def semantic_faults(path: str, semantics: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Path and message of each tag that Apple does not document or that holds another kind of value."""
    for tag, value in semantics.items():
        kind = KIND_OF_TAG.get(tag)
        if kind is None:
            yield f"{path}.{tag}", "is not a semantic tag that Apple documents"
            continue
        try:
            _READERS[kind].validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
            message = first["msg"].replace("Input should be", "should be").replace("String should", "should")
            yield f"{path}.{tag}{steps}", message[:1].lower() + message[1:]
