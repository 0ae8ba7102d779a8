"""Reading a card design from its folder or from its archive, and refusing it whole if anything in it is wrong.

    points-card/
      template.toml            the design: `cards.template.TemplateDocument`
      words/fr.toml, en.toml   every text that the design names, once for each language
      images/icon.png, …       one good source for each image: `cards.template.ImageName`
      images/fr/strip.png, …   the image that cards in that language have instead

The archive is a plain zip of the same files. It is stored in the database, so that every machine composes with the same
bytes; equal folders give equal archives and equal digests.
"""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import orjson
from babel import Locale, UnknownLocaleError
from pydantic import BaseModel, ValidationError

from wallet_service.cards.expressions import did_you_mean, kinds_in
from wallet_service.cards.template import ImageName, Template, TemplateDocument
from wallet_service.cards.template_rules import faults_in_design
from wallet_service.errors import Fault, Invalid
from wallet_service.parsing import faults_of

DOCUMENT = "template.toml"
OVERLAY = "overlay.json"
"""In an archive, never in a folder: the colours and words that an overlay puts over the design (`cards.overlays`)."""
MOST_BYTES = 32_000_000
"""The ceiling of a whole design, unpacked."""

_IMAGE_FILES: Mapping[str, ImageName] = {f"images/{name}.png": name for name in get_args(ImageName)}
_WORDS_OF_PYDANTIC = {
    "missing": "is missing",
    "string_type": "should be a text",
    "int_type": "should be a whole number",
    "tuple_type": "should be a list",
    "model_type": "should be a table",
    "dict_type": "should be a table",
    "too_short": "should not be empty",
}
_PATTERNS = {
    r"^#[0-9A-Fa-f]{6}$": "should be a colour like #1F2A44",
    r"^[a-z][a-z0-9_]{0,31}$": "should be a name in small letters, digits and _ like next_voucher, at most 32 long",
    r"^(https://|mailto:|tel:)\S+$": "should start with https://, mailto: or tel:",
}


def load_template(folder: Path) -> Template:
    """Read the design in `folder`; its name is the template's id.

    Raises:
        Invalid: with every fault found, each with its path: a file's (`words/en.toml`) or a key's of template.toml
            (`fields[2].label`).
    """
    files = _files_in(folder)
    if OVERLAY in files:
        raise Invalid.at(OVERLAY, "is not a file of a design")
    return _template(folder.name, files)


def template_from_archive(template_id: str, archive: bytes) -> Template:
    """Read a design out of what `archive_of` made.

    Raises:
        Invalid: as `load_template`, or the bytes are no archive.
    """
    return _template(template_id, _files_of(archive))


def archive_with(archive: bytes, documents: Mapping[str, Any], images: Mapping[ImageName, bytes]) -> bytes:
    """An archive with more JSON documents in it, and with other pictures for every language."""
    paths = {f"images/{name}.png": png for name, png in images.items()}
    kept = {
        name: content
        for name, content in _files_of(archive).items()
        if (local := _local_image(name)) is None or local[1] not in images
    }
    return _zipped(kept | paths | {name: orjson.dumps(document) for name, document in documents.items()})


def _files_of(archive: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
            entries = [entry for entry in bundle.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise Invalid.at("", f"the design is larger than {MOST_BYTES:,} bytes")
            files = {entry.filename: bundle.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise Invalid.at("", f"the design is not a zip archive: {error}") from error
    if len(files) != len(entries):
        raise Invalid.at("", "the archive holds two files of one name")
    return files


def archive_of(folder: Path) -> bytes:
    """The folder as a zip; equal folders give equal bytes on every machine (stored, sorted, without times)."""
    return _zipped(_files_in(folder))


def _zipped(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        for name, content in sorted(files.items()):
            bundle.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


def _files_in(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise Invalid.at(str(folder), "is not a folder")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        raise Invalid.at(str(folder), f"the design is larger than {MOST_BYTES:,} bytes")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _template(template_id: str, files: Mapping[str, bytes]) -> Template:
    faults: list[Fault] = []
    document = _document(files, faults)
    words = _words(files, faults)
    if document is not None and OVERLAY in files:
        document, words = _overlaid(document, words, orjson.loads(files[OVERLAY]), faults)
    images = {name: files[path] for path, name in _IMAGE_FILES.items() if path in files}
    local_images = _local_images(files)
    faults += _strangers(files)
    if document is not None:
        faults += faults_in_design(document, words, images, local_images)
    if faults or document is None:
        raise Invalid(*faults)
    return Template(
        template_id=template_id,
        digest=_digest(files),
        document=document,
        words=words,
        images=images,
        local_images=local_images,
    )


def _overlaid(
    document: TemplateDocument, words: dict[str, dict[str, str]], overlay: Mapping[str, Any], faults: list[Fault]
) -> tuple[TemplateDocument, dict[str, dict[str, str]]]:
    """Other colours are everybody's: the design's cases of its own go."""
    if overlay["colours"]:
        colours = document.colours.model_copy(update=overlay["colours"])
        document = document.model_copy(update={"colours": colours, "looks": None})
    for locale, texts in overlay["words"].items():
        if locale not in words:
            faults.append(Fault(f"words.{locale}", "is not a language of the design", "not_a_language_of_design"))
            continue
        for key in sorted(texts.keys() - words[locale].keys()):
            message = f"is not a key of the design's words{did_you_mean(key, words[locale])}"
            faults.append(Fault(f"words.{locale}.{key}", message, "not_a_word_of_design"))
        known = {key: text for key, text in texts.items() if key in words[locale]}
        words = words | {locale: words[locale] | known}
    return document, words


def _local_images(files: Mapping[str, bytes]) -> dict[str, dict[ImageName, bytes]]:
    found: dict[str, dict[ImageName, bytes]] = {}
    for path, content in files.items():
        if (place := _local_image(path)) is not None:
            found.setdefault(place[0], {})[place[1]] = content
    return found


def _local_image(path: str) -> tuple[str, ImageName] | None:
    match path.split("/"):
        case ["images", locale, file] if (name := _IMAGE_FILES.get(f"images/{file}")) is not None:
            return locale, name
        case _:
            return None


def _digest(files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{len(name)}:{name}{len(content)}:".encode() + content)
    return total.hexdigest()


def _strangers(files: Mapping[str, bytes]) -> Iterator[Fault]:
    for name in sorted(files):
        path = PurePosixPath(name)
        if (
            name in (DOCUMENT, OVERLAY)
            or name in _IMAGE_FILES
            or _local_image(name)
            or (path.parent.name == "words" and path.suffix == ".toml")
        ):
            continue
        yield Fault(name, f"is not a file of a design{did_you_mean(name, [DOCUMENT, *_IMAGE_FILES])}")


def _toml(name: str, content: bytes, faults: list[Fault]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        faults.append(Fault(name, f"is not UTF-8: {error.reason} at byte {error.start}"))
    except tomllib.TOMLDecodeError as error:
        faults.append(Fault(name, f"is not TOML: {error}"))
    return None


def _words(files: Mapping[str, bytes], faults: list[Fault]) -> dict[str, dict[str, str]]:
    words: dict[str, dict[str, str]] = {}
    for name in sorted(files):
        path = PurePosixPath(name)
        if path.parent.as_posix() != "words" or path.suffix != ".toml":
            continue
        try:
            Locale.parse(path.stem, sep="-")
        except (ValueError, UnknownLocaleError):
            faults.append(Fault(name, f"{path.stem} is not a language; name the file fr.toml, en.toml or fr-CA.toml"))
        table = _toml(name, files[name], faults)
        for key, text in (table or {}).items():
            if not isinstance(text, str) or not text.strip():
                faults.append(Fault(name, f"{key} should be a text that is not empty"))
        if table is not None:
            words[path.stem] = {key: str(text) for key, text in table.items()}
    if not words and not any(fault.path.startswith("words/") for fault in faults):
        faults.append(Fault("words", "there are no words; add words/fr.toml"))
    return words


def _document(files: Mapping[str, bytes], faults: list[Fault]) -> TemplateDocument | None:
    if DOCUMENT not in files:
        faults.append(Fault(DOCUMENT, "is missing"))
        return None
    table = _toml(DOCUMENT, files[DOCUMENT], faults)
    if table is None:
        return None
    try:
        return TemplateDocument.model_validate_json(orjson.dumps(table), strict=True)
    except ValidationError as error:
        faults += [
            Fault(fault.path, _in_words(detail["loc"], detail["type"], detail.get("ctx", {}), fault.message))
            for fault, detail in zip(faults_of(error), error.errors(), strict=True)
        ]
        return None


def _in_words(steps: tuple[str | int, ...], kind: str, context: dict[str, Any], message: str) -> str:
    match kind:
        case "extra_forbidden":
            return f"unknown key{did_you_mean(str(steps[-1]), _keys_beside(steps))}"
        case "literal_error":
            return f"should be one of {str(context['expected']).replace(' or ', ', ')}"
        case "string_pattern_mismatch":
            return _PATTERNS.get(str(context["pattern"]), message)
        case _:
            return _WORDS_OF_PYDANTIC.get(kind, message[:1].lower() + message[1:])


def _keys_beside(steps: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] = TemplateDocument
    for step in steps[:-1]:
        if isinstance(step, str):
            kinds = kinds_in(model.model_fields[step].annotation)
            inner = [part for kind in kinds for part in (kind, *get_args(kind)) if isinstance(part, type)]
            model = next(part for part in inner if issubclass(part, BaseModel))
    return list(model.model_fields)
