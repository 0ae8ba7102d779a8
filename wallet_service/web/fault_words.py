"""What is wrong, in the reader's language: the code of a fault and its values, as a sentence beside a field. Pure.

Every code that a document can raise has its sentence here: pydantic's error types and our own words. A sentence says
what to do, not what a program found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wallet_service.errors import Fault
from wallet_service.web.locale import Lazy, Reader, lazy, nlazy

Values = Mapping[str, Any]
_FILL_IN = lazy("Fill in this field.")
_WHOLE_NUMBER = lazy("Enter a whole number, without a decimal part.")
_NUMBER = lazy("Enter a number.")
_DAY = lazy("Enter a date such as 27/11/2026.")
_CLOCK = lazy("Enter a time such as 14:30.")
_DAY_AND_CLOCK = lazy("Enter a date and a time such as 27/11/2026 14:30.")
_YES_OR_NO = lazy("Choose yes or no.")
_LIST = lazy("Enter a list of values.")
_TABLE = lazy("Enter named values.")
_NO_OFFSET = lazy("Enter the time as the store’s clocks show it, without a time zone.")
_COLOUR = lazy("Enter a colour such as #101010, or leave it empty.")
_NOT_ACCEPTED = lazy("This value is not accepted.")


def sentence_of(fault: Fault, reader: Reader) -> str:
    """The sentence of a fault; for a code without one, the one that says the least."""
    field = fault.path.rsplit(".", 1)[-1]
    sentence = _OF_FIELD.get((fault.code, field)) or _OF_CODE.get(fault.code)
    return (sentence(fault.values) if callable(sentence) else sentence or _NOT_ACCEPTED).to(reader)


def has_sentence(code: str) -> bool:
    """Whether a code has a sentence of its own."""
    return code in _OF_CODE


def _at_least_characters(values: Values) -> Lazy:
    least = values["min_length"]
    if least == 1:
        return _FILL_IN
    return nlazy("Enter at least %(num)s character.", "Enter at least %(num)s characters.", least)


def _at_most_characters(values: Values) -> Lazy:
    return nlazy("Enter at most %(num)s character.", "Enter at most %(num)s characters.", values["max_length"])


def _at_least_values(values: Values) -> Lazy:
    return nlazy("Choose at least %(num)s.", "Choose at least %(num)s.", values["min_length"])


def _at_most_values(values: Values) -> Lazy:
    return nlazy("Choose at most %(num)s.", "Choose at most %(num)s.", values["max_length"])


def _for_lock_screen(values: Values) -> Lazy:
    return lazy(
        "A lock screen shows %(limit)s characters, and this text has %(found)s. Shorten it.",
        limit=values["max_length"],
        found=values["found"],
    )


_OF_CODE: Mapping[str, Lazy | Callable[[Values], Lazy]] = {
    # whether there is a value
    "missing": _FILL_IN,
    "none_required": lazy("Leave this field empty."),
    "unknown_field": lazy("This field is not known here."),
    "extra_forbidden": lazy("This field is not known here."),
    # texts
    "string_type": lazy("Enter a text."),
    "string_unicode": lazy("This text holds characters that cannot be read. Type it again."),
    "string_too_short": _at_least_characters,
    "string_too_long": _at_most_characters,
    "string_pattern_mismatch": lazy("This does not have the form that is expected here. Check it."),
    # numbers
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing_size": lazy("This number is too large."),
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "greater_than": lambda values: lazy("Enter a number above %(limit)s.", limit=values["gt"]),
    "greater_than_equal": lambda values: lazy("Enter %(limit)s or more.", limit=values["ge"]),
    "less_than": lambda values: lazy("Enter a number below %(limit)s.", limit=values["lt"]),
    "less_than_equal": lambda values: lazy("Enter %(limit)s or less.", limit=values["le"]),
    "multiple_of": lambda values: lazy("Enter a multiple of %(step)s.", step=values["multiple_of"]),
    # choices
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "literal_error": lazy("Choose one of the values that are offered."),
    "enum": lazy("Choose one of the values that are offered."),
    # days and times
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": lazy("Enter a date without a time."),
    "time_type": _CLOCK,
    "time_parsing": _CLOCK,
    "datetime_type": _DAY_AND_CLOCK,
    "datetime_parsing": _DAY_AND_CLOCK,
    "datetime_from_date_parsing": _DAY_AND_CLOCK,
    "datetime_object_invalid": _DAY_AND_CLOCK,
    "timezone_aware": lazy("Say in which time zone this time is, for example 2026-11-27T14:30+01:00."),
    "timezone_naive": _NO_OFFSET,
    # lists and tables
    "list_type": _LIST,
    "tuple_type": _LIST,
    "too_short": _at_least_values,
    "too_long": _at_most_values,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    # anything else that a document refuses
    "invalid": _NOT_ACCEPTED,
    "assertion_error": _NOT_ACCEPTED,
    "conflict": lazy("This exists already, with other values."),
    # people and their passwords
    "mail_address": lazy("Enter an e-mail address such as claire@example.com."),
    "password_common": lazy("This password is a common one. Choose another, for example four words."),
    "password_own_name": lazy("This password is made of your own name or address. Choose another."),
    "password_repeats": lazy("This password repeats itself. Use more different characters."),
    "password_too_long": _at_most_characters,
    "password_too_short": lambda values: lazy(
        "Use at least %(limit)s characters, for example four words.", limit=values["min_length"]
    ),
    "clock_time": lazy("Enter a time of the store’s clock such as 14:30."),
    "empty_span": lazy("Closing time is the same as opening time. Change one of them."),
    "beacons": lazy("Enter beacons as UUID/major/minor, separated by spaces."),
    "coordinates": lazy("Enter coordinates such as 45.764, 4.8357, or a link of a map."),
    "exceptions": lazy("Enter days with their hours, such as 2026-12-24 10:00-17:00; 2026-12-25 closed."),
    "far_away": lazy("This is far from all other stores. Check the position, then confirm it below."),
    "no_column": lambda values: lazy(
        "The file lacks the column “%(column)s”. Choose which one it is.", column=values["column"]
    ),
    "no_file": lazy("Choose a file."),
    "no_rows": lazy("The file should have a line of headers, and a line for each store."),
    "not_csv": lazy("This is not a CSV file. In your spreadsheet, save as CSV."),
    "spans": lazy("Enter hours such as 10:00-12:30 14:00-19:00, or leave the day empty."),
    "store_exists": lazy("There is a store with this identifier already. Choose another."),
    "too_many_rows": lambda values: lazy("The file may have %(limit)s rows at most. Divide it.", limit=values["limit"]),
    "twice_in_file": lambda values: lazy("This store is in line %(line)s already.", line=values["line"]),
    "opening_hours": lazy("Enter opening hours such as Mo-Sa 10:00-19:00."),
    "locked_person": lazy("This person is locked out. Let them in again first."),
    "last_admin": lazy("The programme would be left without an administrator. Make somebody else administrator first."),
    "wrong_password": lazy("This is not your password."),
    "wrong_credentials": lazy("Wrong e-mail address or password."),
    "wrong_code": lazy("This is not the code that the app shows now. Check the time of your phone."),
    # what comes from outside, whatever the document
    "balance_out_of_range": lazy("This takes the balance beyond what a wallet can carry."),
    "blank": _FILL_IN,
    "card_number": lazy("Use letters without accents, digits and signs only, as a barcode does."),
    "content_type": lazy("This kind of content is not read here."),
    "control_character": lazy("This text holds a character that cannot be shown, or a line break. Type it again."),
    "currency": lazy("Enter the code of a currency in use, for example EUR."),
    "day": _DAY,
    "day_out_of_range": lazy("Enter a date in the years that are taken here."),
    "doubled_key": lazy("This name is there twice. Keep one of the two."),
    "doubled_language": lazy("This language is there twice. Keep one of the two texts."),
    "half_character": lazy("This text holds characters that cannot be read. Type it again."),
    "instant": _DAY_AND_CLOCK,
    "instant_out_of_range": lazy("Enter a date between 1970 and 2999, or leave the field empty where there is no end."),
    "instant_without_offset": lazy("Say in which time zone this time is, for example 2026-11-27T14:30+01:00."),
    "integer_too_large": lazy("This number is too large."),
    "internal": lazy("Something failed on our side. Nothing of it was kept; send it again later."),
    "always_quiet": lazy(
        "These quiet hours cover the whole day, so that nothing would ever notify. Say when they end."
    ),
    "language_tag": lazy("Enter a language such as fr, fr-FR or es-419."),
    "link_too_long": lazy("This is too long. Shorten it."),
    "linked_to_itself": lazy("Choose designs other than the card’s own."),
    "local_time": _DAY_AND_CLOCK,
    "local_time_does_not_exist": lazy("The clocks jump over this time that night. Choose another."),
    "local_time_out_of_range": lazy("Enter a date between 1971 and 2999."),
    "money_out_of_range": lazy("This amount is more than a wallet can carry."),
    "not_a_number": _NUMBER,
    "not_an_array": _LIST,
    "not_an_identifier": lazy("Enter an identifier without spaces and without “/”."),
    "not_an_object": _TABLE,
    "not_json": lazy("This cannot be read as JSON. Check it."),
    "not_linked": lazy("Choose one of the designs that this programme links to its cards."),
    "not_printable": lazy("Use characters that can be printed, without a space at the beginning or the end."),
    "nul_character": lazy("This text holds characters that cannot be read. Type it again."),
    "time_of_day": _CLOCK,
    "too_deep": lazy("This is nested too deep. Make it simpler."),
    "too_large": lazy("This is too long. Shorten it."),
    "too_many_events": lazy("These are too many events at once. Send fewer."),
    "too_many_links": lazy("This card has had all the linked passes that it may have. Change one of them."),
    "unknown_type": lazy("This type of event is not known here."),
    # paths of a simulation
    "before_previous": lambda values: lazy("The line “%(line)s” is before the point above it.", line=values["line"]),
    "no_point": lazy("Enter at least one point: a store’s identifier, or coordinates."),
    "nowhere": lambda values: lazy(
        "The line “%(line)s” is neither a store’s identifier nor coordinates.", line=values["line"]
    ),
    "too_many_points": lambda values: lazy("Enter %(limit)s points at most.", limit=values["limit"]),
    "unreadable_time": lambda values: lazy(
        "The line “%(line)s” has no time that can be read. Write it such as 2026-11-27 14:30, after @.",
        line=values["line"],
    ),
    # our own rules
    "beyond_reach": lambda values: lazy(
        "Phones show these cards at about %(reach)s m from a store, and a radius only shrinks that. Enter %(reach)s or"
        " less, or leave it empty.",
        reach=values["le"],
    ),
    "code_taken": lazy("Another offer has this code. Choose another."),
    "end_is_past": lazy("This end is past. Choose a later one, or end the offer now on its page."),
    "colours_alike": lazy("Background and text, or label, are too alike to be read. Choose a lighter or darker one."),
    "design_unfit": lazy(
        "The card would be wrong with one of these texts. A text that announces a change keeps the marks of the"
        " design’s own."
    ),
    "overlay_code_taken": lazy("Another overlay has this code. Choose another."),
    "overlay_ends_before_start": lazy("This overlay ends before it begins. Change the end date."),
    "overlay_is_over": lazy("This overlay is over, or would be. Withdraw it, or make another."),
    "picture_unfit": lambda values: lazy(
        "This picture does not fit. Choose a PNG of at least %(width)s × %(height)s pixels, 2 MB at most.",
        width=values["width"],
        height=values["height"],
    ),
    "ends_before_start": lazy("This offer ends before it begins. Change the end date."),
    "line_break": lazy("A lock screen shows one line. Remove the line break."),
    "names_brand": lazy("The phone shows the name of the brand already. Leave it out."),
    "no_store_chosen": lazy("Choose at least one store, a group, or all stores."),
    "month_day": lazy("Enter a month and a day of it, for example 12-31."),
    "not_of_this_kind": lazy("This does not go with the kind that was chosen. Leave it out."),
    "one_span": lazy("Give either a number of months or a number of days, not both."),
    "other_currency": lazy("The order was paid in another currency. Enter the amount in that one."),
    "no_such_member": lazy("There is no such member. Check the number on the back of the card."),
    "no_such_store": lambda values: lazy("There is no store “%(store)s”.", store=values["store_id"]),
    "not_a_picture": lazy("This is not a whole PNG picture."),
    "no_store_left": lazy("None of these stores is there any more. Choose one that is."),
    "no_such_template": lazy("This programme has no such design."),
    "not_a_language_of_design": lazy("The design has no texts in this language."),
    "not_a_word_of_design": lazy("The design has no text of this name."),
    "offer_fixed": lazy("The offer’s state does not allow this change any more. Open the offer again."),
    "offset_in_local_time": _NO_OFFSET,
    "over_midnight": lazy("Hours end at midnight (24:00). Enter what comes after it as hours of the next day."),
    "one_instant": lazy("Enter a date and a time."),
    "one_order": lazy("Give either a sequence number or an instant, not both."),
    "reserved_id": lazy("This identifier is an address of the console itself. Choose another."),
    "several_zones": lambda values: lazy(
        "The stores lie in several time zones (%(zones)s). Make an offer for each.", zones=values["zones"]
    ),
    "swapped": lazy("Latitude and longitude look swapped. Swap them?"),
    "time_zone": lazy("Enter the name of a time zone, for example Europe/Paris."),
    "too_long_for_lock_screen": _for_lock_screen,
}
_OF_FIELD: Mapping[tuple[str, str], Lazy] = {
    ("string_pattern_mismatch", "email"): lazy("Enter an e-mail address such as claire@example.com."),
    ("string_pattern_mismatch", "phone"): lazy("Enter a phone number such as 06 12 34 56 78 or +33 6 12 34 56 78."),
    ("string_pattern_mismatch", "uuid"): lazy("Enter the beacon’s identifier: 32 hexadecimal digits with hyphens."),
    ("string_pattern_mismatch", "background"): _COLOUR,
    ("string_pattern_mismatch", "label"): _COLOUR,
    ("string_pattern_mismatch", "text"): _COLOUR,
    ("string_pattern_mismatch", "code"): lazy("Enter a code without spaces and without “/”."),
}
"""Where the field says better than the code what to do."""
