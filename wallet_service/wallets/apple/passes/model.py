"""The shape of `pass.json`: every key that Apple documents, its type and its plain bounds. A key not here is refused.

Apple, "Pass", "PassFields", "PassFieldContent" and their parts. What one key says about another is in `pass_rules`.
Typed dictionaries, because a pass is a JSON document that we write, not an object that we keep; and because this runs
for every pass that is issued: the shape costs 10 µs to check, a signature 240.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from typing_extensions import TypedDict

closed = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
"""Reads a dictionary strictly: no unknown key, no text for a number."""

DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$"
"""Seconds may be left out; Wallet refuses fractions of them."""
_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|\d{1,2})"

Text = Annotated[str, StringConstraints(min_length=1)]
Rgb = Annotated[str, StringConstraints(pattern=rf"^rgb\({_BYTE}, ?{_BYTE}, ?{_BYTE}\)$")]
Instant = Annotated[str, StringConstraints(pattern=DATE_PATTERN)]
Number = float
"""Strict reading takes integers too, and neither texts nor booleans."""
Value = Annotated[str | float, Field(union_mode="left_to_right")]

StyleName = Literal["storeCard", "coupon", "generic", "eventTicket", "boardingPass"]
STYLES: tuple[StyleName, ...] = ("storeCard", "coupon", "generic", "eventTicket", "boardingPass")

DateStyle = Literal["PKDateStyleNone", "PKDateStyleShort", "PKDateStyleMedium", "PKDateStyleLong", "PKDateStyleFull"]
NumberStyle = Literal[
    "PKNumberStyleDecimal", "PKNumberStylePercent", "PKNumberStyleScientific", "PKNumberStyleSpellOut"
]
Alignment = Literal["PKTextAlignmentLeft", "PKTextAlignmentCenter", "PKTextAlignmentRight", "PKTextAlignmentNatural"]
Detector = Literal[
    "PKDataDetectorTypePhoneNumber",
    "PKDataDetectorTypeLink",
    "PKDataDetectorTypeAddress",
    "PKDataDetectorTypeCalendarEvent",
]
BarcodeFormatName = Literal[
    "PKBarcodeFormatQR",
    "PKBarcodeFormatPDF417",
    "PKBarcodeFormatAztec",
    "PKBarcodeFormatCode128",
    "PKBarcodeFormatCode39",
    "PKBarcodeFormatCodabar",
    "PKBarcodeFormatEAN13",
    "PKBarcodeFormatI2of5",
]
ActionType = Literal[
    "membershipBenefits", "viewOffersRewards", "addToBalance", "order", "shop", "bookAppointment", "bookCar",
    "bookFlight", "bookStay", "call", "place", "viewSchedule", "watchTrailer", "listenToMusic",
]  # fmt: skip


@closed
class PassField(TypedDict):
    """PassFieldContent."""

    key: Text
    value: Value
    label: NotRequired[Text]
    attributedValue: NotRequired[Value]
    changeMessage: NotRequired[Text]
    dataDetectorTypes: NotRequired[list[Detector]]
    textAlignment: NotRequired[Alignment]
    dateStyle: NotRequired[DateStyle]
    timeStyle: NotRequired[DateStyle]
    isRelative: NotRequired[bool]
    ignoresTimeZone: NotRequired[bool]
    currencyCode: NotRequired[Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]]
    numberStyle: NotRequired[NumberStyle]
    row: NotRequired[Annotated[int, Field(ge=0, le=1)]]
    semantics: NotRequired[dict[str, Any]]


@closed
class PassFields(TypedDict, total=False):
    """What a style's key holds."""

    headerFields: list[PassField]
    primaryFields: list[PassField]
    secondaryFields: list[PassField]
    auxiliaryFields: list[PassField]
    backFields: list[PassField]
    footerFields: list[PassField]
    additionalInfoFields: list[PassField]
    transitType: Literal[
        "PKTransitTypeAir", "PKTransitTypeBoat", "PKTransitTypeBus", "PKTransitTypeGeneric", "PKTransitTypeTrain"
    ]


@closed
class PassBarcode(TypedDict):
    """Pass.Barcodes."""

    format: BarcodeFormatName
    message: Text
    messageEncoding: Text
    altText: NotRequired[Text]


@closed
class PassLocation(TypedDict):
    """Pass.Locations; degrees, metres."""

    latitude: Annotated[Number, Field(ge=-90, le=90)]
    longitude: Annotated[Number, Field(ge=-180, le=180)]
    altitude: NotRequired[Number]
    relevantText: NotRequired[Text]


@closed
class PassBeacon(TypedDict):
    """Pass.Beacons; `name` is in Apple's own sample."""

    proximityUUID: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    major: NotRequired[Annotated[int, Field(ge=0, le=65535)]]
    minor: NotRequired[Annotated[int, Field(ge=0, le=65535)]]
    name: NotRequired[Text]
    relevantText: NotRequired[Text]


@closed
class PassRelevantDate(TypedDict, total=False):
    """Pass.RelevantDates; a single date is emitted under both of its names."""

    date: Instant
    relevantDate: Instant
    startDate: Instant
    endDate: Instant


@closed
class PassNfc(TypedDict):
    """Pass.NFC."""

    message: Text
    encryptionPublicKey: Text
    requiresAuthentication: NotRequired[bool]


@closed
class PassAction(TypedDict):
    """One of `featuredActions` (iOS 27)."""

    identifier: Text
    type: ActionType
    url: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]


class EventKeys(TypedDict, total=False):
    """What only poster event tickets use (iOS 18)."""

    accessibilityURL: Text
    addOnURL: Text
    bagPolicyURL: Text
    contactVenueEmail: Text
    contactVenuePhoneNumber: Text
    contactVenueWebsite: Text
    directionsInformationURL: Text
    merchandiseURL: Text
    orderFoodURL: Text
    parkingInformationURL: Text
    purchaseParkingURL: Text
    sellURL: Text
    transferURL: Text
    transitInformationURL: Text


class BoardingKeys(TypedDict, total=False):
    """What only semantic boarding passes use (iOS 26)."""

    changeSeatURL: Text
    entertainmentURL: Text
    managementURL: Text
    purchaseAdditionalBaggageURL: Text
    purchaseLoungeAccessURL: Text
    purchaseWifiURL: Text
    registerServiceAnimalURL: Text
    reportLostBagURL: Text
    requestWheelchairURL: Text
    trackBagsURL: Text
    transitProviderEmail: Text
    transitProviderPhoneNumber: Text
    transitProviderWebsiteURL: Text
    upgradeURL: Text


@closed
class PassDocument(EventKeys, BoardingKeys):
    """`pass.json`, whole."""

    formatVersion: Annotated[int, Field(ge=1, le=1)]
    passTypeIdentifier: Annotated[str, StringConstraints(pattern=r"^pass\.\S+$")]
    serialNumber: Text
    teamIdentifier: Text
    organizationName: Text
    description: Text

    storeCard: NotRequired[PassFields]
    coupon: NotRequired[PassFields]
    generic: NotRequired[PassFields]
    eventTicket: NotRequired[PassFields]
    boardingPass: NotRequired[PassFields]
    posterGeneric: NotRequired[PassFields]
    preferredStyleSchemes: NotRequired[
        list[Literal["posterEventTicket", "eventTicket", "semanticBoardingPass", "boardingPass"]]
    ]

    backgroundColor: NotRequired[Rgb]
    foregroundColor: NotRequired[Rgb]
    labelColor: NotRequired[Rgb]
    logoText: NotRequired[Text]
    suppressStripShine: NotRequired[bool]
    eventLogoText: NotRequired[Text]
    footerBackgroundColor: NotRequired[Rgb]
    suppressHeaderDarkening: NotRequired[bool]
    useAutomaticColors: NotRequired[bool]

    locations: NotRequired[Annotated[list[PassLocation], Field(max_length=10)]]
    maxDistance: NotRequired[Annotated[Number, Field(gt=0)]]
    beacons: NotRequired[list[PassBeacon]]
    relevantDate: NotRequired[Instant]
    relevantDates: NotRequired[list[PassRelevantDate]]
    expirationDate: NotRequired[Instant]
    voided: NotRequired[bool]

    barcodes: NotRequired[list[PassBarcode]]
    barcode: NotRequired[PassBarcode]
    nfc: NotRequired[PassNfc]
    webServiceURL: NotRequired[Text]
    authenticationToken: NotRequired[Annotated[str, StringConstraints(min_length=16)]]
    associatedStoreIdentifiers: NotRequired[list[int]]
    appLaunchURL: NotRequired[Text]
    auxiliaryStoreIdentifiers: NotRequired[list[int]]
    userInfo: NotRequired[dict[str, Any]]
    sharingProhibited: NotRequired[bool]
    groupingIdentifier: NotRequired[Text]
    semantics: NotRequired[dict[str, Any]]
    featuredActions: NotRequired[Annotated[list[PassAction], Field(max_length=2)]]
    upcomingPassInformation: NotRequired[list[dict[str, Any]]]


EVENT_KEYS = EventKeys.__optional_keys__
BOARDING_KEYS = BoardingKeys.__optional_keys__

PASS_DOCUMENT: TypeAdapter[PassDocument] = TypeAdapter(PassDocument)
"""Validates, strictly, and returns the document as it was."""
