"""A wrong design is refused, whole, with the path of every fault: one planted fault for each rule."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.cards.conftest import DESIGNS
from wallet_service.cards.template_folder import archive_of, load_template, template_from_archive
from wallet_service.cli.templates import templates
from wallet_service.errors import Invalid

Damage = Callable[[Path], object]


def rewritten(name: str, old: str, new: str, count: int = 1) -> Damage:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, f"{name} no longer holds {old!r}"
        (folder / name).write_text(text.replace(old, new, count), encoding="utf-8")

    return damage


def document(old: str, new: str) -> Damage:
    return rewritten("template.toml", old, new)


def image(name: str, size: tuple[int, int], kind: str = "PNG") -> Damage:
    return lambda folder: Image.new("RGB", size).save(folder / "images" / f"{name}.png", format=kind)


def field(rest: str) -> Damage:
    head = '[[fields]]\nid = "extra"\nvalue = "member.member_id"\nlabel = "points_label"\n'
    return document("[[links]]", f"{head}{rest}\n[[links]]")


def truncated(name: str) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:2000])

    return damage


PLANTED: dict[str, tuple[Damage, str]] = {
    "no document": (lambda f: (f / "template.toml").unlink(), "template.toml: is missing"),
    "bad TOML": (document("kind = ", "kind "), "template.toml: is not TOML: .*line 18"),
    "not UTF-8": (lambda f: (f / "words/fr.toml").write_bytes(b'a = "\xff"'), "words/fr.toml: is not UTF-8"),
    "unknown key": (document("label =", "lable ="), r"colours\.lable: unknown key, did you mean label\?"),
    "unknown key in a list": (
        document('label = "points_label"', 'lable = "points_label"'),
        r"fields\[0\]\.lable: unknown key, did you mean label\?",
    ),
    "missing key": (document('id = "points"\n', ""), r"fields\[0\]\.id: is missing"),
    "unknown choice": (document('"header"', '"heading"'), r"fields\[0\]\.apple: should be one of 'header', 'primary'"),
    "wrong type": (document('id = "points"', "id = 3"), r"fields\[0\]\.id: should be a text"),
    "bad id": (document('id = "points"', 'id = "Points!"'), r"fields\[0\]\.id: should be a name in small letters"),
    "bad colour": (document("#1F2340", "navy"), r"colours\.background: should be a colour like #1F2A44"),
    "bad link": (document("mailto:bonjour", "bonjour"), r"links\[2\]\.url: should start with https://"),
    "no fields": (
        lambda f: (f / "template.toml").write_text(
            'style = "coupon"\ndescription = "d"\nfields = []\n'
            '[colours]\nbackground = "#000000"\ntext = "#FFFFFF"\nlabel = "#FFFFFF"'
        ),
        "fields: should not be empty",
    ),
    "missing word": (
        rewritten("words/en.toml", 'points_label = "Points"\n', ""),
        r"words/en\.toml: points_label is missing; it is used by fields\[0\]\.label",
    ),
    "misspelt word": (
        rewritten("words/en.toml", "points_label", "point_label"),
        r"words/en\.toml: points_label is missing; .*did you mean point_label\?",
    ),
    "unused word": (
        rewritten("words/en.toml", "brand =", 'spare = "Spare"\nbrand ='),
        r"words/en\.toml: spare is used by nothing in template\.toml",
    ),
    "empty word": (rewritten("words/en.toml", '"Maison Lumière"', '" "'), r"words/en\.toml: brand should be a text"),
    "word not a text": (
        rewritten("words/en.toml", '"Maison Lumière"', "3"),
        r"words/en\.toml: brand should be a text that is not empty",
    ),
    "not a language": (
        lambda f: (f / "words/en.toml").rename(f / "words/english-words.toml"),
        "words/english-words.toml: english-words is not a language",
    ),
    "no words": (lambda f: shutil.rmtree(f / "words"), "words: there are no words"),
    "notify without place": (
        rewritten("words/fr.toml", "solde : %@", "solde"),
        r"words/fr\.toml: points_changed should hold %@ once.*fields\[0\]\.notify",
    ),
    "notify with two places": (
        rewritten("words/en.toml", "%@ points", "%@ %@ points"),
        r"words/en\.toml: points_changed should hold %@ once",
    ),
    "missing words for no value": (
        rewritten("words/en.toml", 'tier_none = "None"\n', ""),
        r"words/en\.toml: tier_none is missing; it is used by fields\[2\]\.empty",
    ),
    "words for no value without notify": (
        document('label = "offer_label"', 'label = "offer_label"\nempty = "offer_label"'),
        r"fields\[4\]\.empty: offer has no notify",
    ),
    "two ids": (document('id = "offer"', 'id = "points"'), r"fields\[4\]\.id: points is the id of fields\[0\] already"),
    "link with a field's id": (
        document('id = "shop"', 'id = "offer"'),
        r"links\[0\]\.id: offer is the id of fields\[4\]",
    ),
    "no slot": (field('apple = "none"\ngoogle = "none"'), r"fields\[10\]: extra has no slot on any wallet"),
    "two primaries": (
        document('"header"', '"primary"'),
        "fields: 2 fields are in Apple's primary; this style draws 1",
    ),
    "five in the row": (
        lambda f: (document('"primary"', '"auxiliary"')(f), field('apple = "auxiliary"\ngoogle = "none"')(f)),
        "fields: 5 fields are in Apple's secondary and auxiliary; this style draws 4",
    ),
    "two in a single slot": (
        field('apple = "back"\ngoogle = "account_id"'),
        "fields: 2 fields are in Google's account_id, which holds one",
    ),
    "expression does not compile": (
        document('"offer.title"', '"offer.title |"'),
        r"fields\[4\]\.value: .* is not an exp",
    ),
    "expression is empty": (document('"offer.title"', '" "'), r"fields\[4\]\.value: is empty; write an expression"),
    "expression goes on": (
        document('"offer.title"', '"offer.title offer.text"'),
        r"fields\[4\]\.value: .* goes on after",
    ),
    "unknown root": (document("balance.points", "ballance.points"), r"ballance is not known, did you mean balance\?"),
    "unknown part": (document("balance.points", "balance.point"), r"balance has no point, did you mean points\?"),
    "unknown part behind a filter": (document(").amount", ").amont"), r"voucher has no amont, did you mean amount\?"),
    "unknown word in expression": (
        document('"offer.title"', '"offer.title or words.nothing_yet"'),
        r"words/fr\.toml: nothing_yet is missing; it is used by fields\[4\]\.value",
    ),
    "hidden part": (document("member.full_name", "member.__class__"), "member has no __class__"),
    "method of a model": (document("member.full_name", "member.model_dump"), "member has no model_dump"),
    "method of a table": (
        document("member.full_name", "member.attributes.items"),
        r"write \['items'\] instead of \.items",
    ),
    "call": (document("member.full_name", "member.full_name.upper()"), "functions cannot be called here"),
    "unknown filter": (
        document("vouchers | first", "vouchers | firts"),
        "filter firts is not known, did you mean first",
    ),
    "unknown test": (document("if store.city", "if store.city is none"), "the test 'is none' is not known"),
    "part of a text": (document('"balance.tier"', '"balance.tier.name"'), "a text has no part 'name'"),
    "attribute of map": (
        document('"offer.title"', "\"balance.vouchers | map(attribute='kode') | join(', ')\""),
        "voucher has no kode, did you mean code",
    ),
    "kind does not fit": (
        document('"balance.points"', '"balance.tier"'),
        r"fields\[0\]\.value: gives a text where a number",
    ),
    "a truth is no text": (document('"offer.title"', '"balance.points > 3"'), r"fields\[4\]\.value: gives a yes or no"),
    "no barcode value": (document('value = "member.card_number"\n', ""), r"barcode\.value: is missing"),
    "empty barcode value": (document('value = "member.card_number"\n', 'value = ""\n'), r"barcode\.value: is empty"),
    "barcode text": (
        document('text = "member.card_number"', 'text = "member.number"'),
        r"barcode\.text: member has no num",
    ),
    "low contrast of text": (
        document("#FFFFFF", "#2A2E50"),
        r"colours\.text: #2A2E50 on #1F2340 has a contrast of 1\.\d",
    ),
    "low contrast of label": (document("#ECC680", "#4A4E70"), r"colours\.label: .* has a contrast of"),
    "too many links": (
        document(
            "[[links]]",
            "".join(f'[[links]]\nid="l{n}"\nlabel="brand"\nurl="tel:{n}"\n' for n in range(9)) + "[[links]]",
        ),
        "links: there are 12 links; Google shows 10",
    ),
    "image missing": (lambda f: (f / "images/icon.png").unlink(), r"images/icon\.png: is missing"),
    "logo missing": (lambda f: (f / "images/logo.png").unlink(), r"images/logo\.png: is missing"),
    "image not PNG": (image("logo", (660, 660), "JPEG"), r"images/logo\.png: is not a PNG image"),
    "image damaged": (truncated("images/logo.png"), r"images/logo\.png: is a damaged PNG image"),
    "icon too small": (image("icon", (87, 87)), r"images/icon\.png: is 87 x 87 pixels; .* needs at least 114 x 114"),
    "logo too small": (image("logo", (480, 480)), r"images/logo\.png: is 480 x 480 .*at least 660 x 660"),
    "logo not square": (image("logo", (900, 660)), r"images/logo\.png: is 900 x 660 pixels; it should be square"),
    "strip too small": (image("strip", (750, 288)), r"images/strip\.png: .*at least 1125 x 432"),
    "hero too small": (image("hero", (900, 200)), r"images/hero\.png: .*at least 1032 x 336"),
    "hero too high": (image("hero", (1032, 400)), r"images/hero\.png: .*at least 3 times as wide as high"),
    "image too large": (image("strip", (8200, 432)), r"images/strip\.png: .*8192 is the longest side"),
    "unused stamp": (image("stamp", (200, 200)), r"images/stamp\.png: is used by nothing"),
    "unknown file": (lambda f: (f / "notes.txt").write_text("x"), r"notes\.txt: is not a file of a design"),
    "unknown image": (
        lambda f: (f / "images/stripe.png").write_bytes(b""),
        r"images/stripe\.png: is not a file of a design, did you mean images/strip\.png\?",
    ),
    "hidden file": (
        lambda f: (f / "images/.DS_Store").write_bytes(b""),
        r"images/\.DS_Store: is not a file of a design",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_refused_with_its_path(design: Path, name: str) -> None:
    damage, expected = PLANTED[name]
    damage(design)
    with pytest.raises(Invalid, match=expected):
        load_template(design)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / "images/stamp.png").unlink(), r"images/stamp\.png: is missing"),
        (lambda f: (f / "images/stamp_empty.png").unlink(), r"images/stamp_empty\.png: is missing"),
        (image("stamp", (100, 100)), r"images/stamp\.png: is 100 x 100"),
        (document("total = 10", "total = 31"), r"stamps\.total: input should be less than or equal to 30"),
        (document('"balance.stamps"', '"balance.tier"'), r"stamps\.earned: gives a text where a number belongs"),
    ],
)
def test_a_stamp_card_needs_its_stamps(stamp_design: Path, damage: Damage, expected: str) -> None:
    damage(stamp_design)
    with pytest.raises(Invalid, match=f"(?i){expected}"):
        load_template(stamp_design)


def test_all_faults_are_named_at_once(design: Path) -> None:
    for damage in (
        document("balance.points", "balance.point"),
        document("#ECC680", "#4A4E70"),
        rewritten("words/en.toml", 'brand = "Maison Lumière"\n', ""),
        lambda folder: (folder / "images/icon.png").unlink(),
    ):
        damage(design)
    with pytest.raises(Invalid) as refusal:
        load_template(design)
    assert [fault.path for fault in refusal.value.faults] == [
        "fields[0].value",
        "words/en.toml",
        "colours.label",
        "images/icon.png",
    ]


@pytest.mark.parametrize("name", ["points-card", "stamp-card"])
def test_the_sample_designs_are_good(name: str) -> None:
    template = load_template(DESIGNS / name)
    assert template.template_id == name
    assert {"fr", "en"} == set(template.words)
    assert template.words["fr"].keys() == template.words["en"].keys()


def test_an_archive_gives_the_same_design_as_the_folder(design: Path) -> None:
    from_folder = load_template(design)
    archive = archive_of(design)
    assert template_from_archive("points-card", archive) == from_folder
    for path in design.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert archive_of(design) == archive


def test_any_changed_byte_changes_the_digest(design: Path) -> None:
    before = load_template(design).digest
    rewritten("words/fr.toml", "Nous écrire", "Écrivez-nous")(design)
    assert load_template(design).digest != before


def test_an_archive_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="is not a zip archive"):
        template_from_archive("points-card", b"PK not really")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("template.toml", bytes(33_000_000))
    with pytest.raises(Invalid, match="larger than 32,000,000 bytes"):
        template_from_archive("points-card", bomb.getvalue())


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is not a folder"):
        load_template(tmp_path / "nowhere")


def test_the_command_names_every_fault_and_fails(design: Path) -> None:
    good = CliRunner().invoke(templates, ["check", str(design)])
    assert good.exit_code == 0
    assert "points-card: good (en, fr;" in good.output
    document("balance.points", "balance.point")(design)
    (design / "notes.txt").write_text("x")
    bad = CliRunner().invoke(templates, ["check", str(design), str(DESIGNS / "stamp-card")])
    assert bad.exit_code == 1
    assert "points-card: 2 faults" in bad.output
    assert "  fields[0].value: balance has no point, did you mean points?" in bad.output
    assert "stamp-card: good" in bad.output


def test_the_command_checks_the_raw_keys_for_google(design: Path) -> None:
    document("[[links]]", '[google.class]\nviewUnlockRequirement = "ALWAYS"\n\n[[links]]')(design)
    bad = CliRunner().invoke(templates, ["check", str(design)])
    assert bad.exit_code == 1
    assert "  google.class.viewUnlockRequirement: should be one of UNLOCK_NOT_REQUIRED" in bad.output
