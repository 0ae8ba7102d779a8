"""Contrast of all pairs of colour tokens, in both themes (console check C72: WCAG 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from wallet_service.web.assets import STATIC

CSS = STATIC / "css"
TEXT, PART = 4.5, 3.0
GROUNDS = ("paper", "card")
STATES = ("good", "warn", "bad")
PAIRS: tuple[tuple[str, str, float], ...] = (
    *((colour, ground, TEXT) for colour in ("ink", "soft", "accent", *STATES) for ground in GROUNDS),
    *((state, f"{state}-paper", TEXT) for state in STATES),
    *(("ink", f"{state}-paper", TEXT) for state in STATES),
    *(("accent", f"{state}-paper", TEXT) for state in STATES),  # links in a banner
    ("on-accent", "accent", TEXT),
    ("card", "bad", TEXT),  # the words of a button that destroys
    # outlines of boxes (soft, bad), the focus ring (accent), and shapes of states, beside what they lie on
    *((colour, ground, PART) for colour in ("soft", "accent", *STATES) for ground in GROUNDS),
)


def themes() -> Mapping[str, Mapping[str, str]]:
    source = (CSS / "tokens.css").read_text(encoding="utf-8")
    light, dark = source.split("@media (prefers-color-scheme: dark)")
    found = re.compile(r"--([a-z-]+): (#[0-9a-f]{3,6});")
    return {"light": dict(found.findall(light)), "dark": dict(found.findall(dark))}


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_c72_every_pair_that_meets_is_told_apart(theme: str) -> None:
    colours = themes()[theme]
    weak = [
        f"{one} on {other}: {contrast(colours[one], colours[other]):.2f} < {least}"
        for one, other, least in PAIRS
        if contrast(colours[one], colours[other]) < least
    ]
    assert weak == []


def test_the_measure_itself() -> None:
    assert round(contrast("#000", "#ffffff"), 2) == 21
    assert round(contrast("#777777", "#fff"), 2) == 4.48


def test_both_themes_have_the_same_tokens_and_no_others() -> None:
    wanted = {"ink", "soft", "paper", "card", "edge", "accent", "on-accent"}
    wanted |= {name for state in STATES for name in (state, f"{state}-paper")}
    for colours in themes().values():
        assert colours.keys() == wanted


def declarations() -> Iterator[tuple[str, str]]:
    for path in sorted(CSS.glob("*.css")):
        if path.name not in ("tokens.css", "print.css"):
            for value in re.findall(r":\s*([^;{}]+);", path.read_text(encoding="utf-8")):
                yield path.name, value


def test_colours_are_written_in_tokens_only() -> None:
    """But for shadows, which are the same black in both themes."""
    strays = [pair for pair in declarations() if re.search(r"#[0-9a-f]{3,8}\b", pair[1])]
    assert strays == []


def test_sizes_of_text_are_the_five_of_the_scale() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in CSS.glob("*.css") if path.name != "print.css")
    sizes = set(re.findall(r"font-size: ([^;]+);", source))
    assert sizes == {f"var(--type-{size})" for size in (15, 17, 20, 26, 34)}


def test_every_token_that_is_used_is_there() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in CSS.glob("*.css"))
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", source)) <= set(re.findall(r"--([a-z0-9-]+):", source))
