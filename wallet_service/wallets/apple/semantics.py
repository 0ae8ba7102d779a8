"""The semantic tags that Apple documents, by family (SemanticTagType). A tag not here is refused."""

from __future__ import annotations

from itertools import product

_EVENTS = """
admissionLevel admissionLevelAbbreviation additionalTicketAttributes albumIDs airplay artistIDs attendeeName
awayTeamAbbreviation awayTeamLocation awayTeamName duration entranceDescription eventEndDate eventLiveMessage eventName
eventStartDate eventStartDateInfo eventType genre homeTeamAbbreviation homeTeamLocation homeTeamName leagueAbbreviation
leagueName performerNames playlistIDs seats silenceRequested sportName tailgatingAllowed venueBoxOfficeOpenDate
venueCloseDate venueDoorsOpenDate venueEntrance venueEntranceDoor venueEntranceGate venueEntrancePortal
venueFanZoneOpenDate venueGatesOpenDate venueLocation venueName venueOpenDate venueParkingLotsOpenDate venuePhoneNumber
venueRegionName venueRoom
"""

_TRANSPORT = """
airlineCode boardingGroup boardingSequenceNumber boardingZone carNumber confirmationNumber flightCode flightNumber
internationalDocumentsAreVerified internationalDocumentsVerifiedDeclarationName loungePlaceIDs passengerAirlineSSRs
passengerCapabilities passengerEligibleSecurityPrograms passengerInformationSSRs passengerName passengerServiceSSRs
priorityStatus securityScreening ticketFareClass transitProvider transitStatus transitStatusReason vehicleName
vehicleNumber vehicleType
"""
_JOURNEY_DATES = product(("current", "original"), ("Arrival", "Boarding", "Departure"), ("Date",))
_JOURNEY_ENDS = product(
    ("departure", "destination"),
    ("AirportCode", "AirportName", "CityName", "Gate", "Location", "LocationDescription", "LocationSecurityPrograms",
     "LocationTimeZone", "Platform", "StationName", "Terminal"),
)  # fmt: skip

_ANY = "balance totalPrice wifiAccess membershipProgramName membershipProgramNumber membershipProgramStatus"

SEMANTIC_TAGS = frozenset(
    [
        *_EVENTS.split(),
        *_TRANSPORT.split(),
        *_ANY.split(),
        *("".join(parts) for parts in _JOURNEY_DATES),
        *("".join(parts) for parts in _JOURNEY_ENDS),
    ]
)
