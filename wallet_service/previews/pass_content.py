"""What is in a `.pkpass`, read for drawing: its files and its `pass.json`. `pass check` is who checks it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wallet_service.errors import Invalid

STYLES = ("storeCard", "coupon", "generic", "eventTicket", "boardingPass")


def read_pass(data: bytes) -> tuple[Mapping[str, bytes], Mapping[str, Any]]:
    """The files of a pass and its `pass.json`.

    Raises:
        Invalid: the archive or its JSON cannot be read, or it has no style.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
        content = json.loads(files["pass.json"])
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise Invalid.at("pass.json", f"cannot be read: {error}") from error
    if not isinstance(content, dict) or not any(style in content for style in STYLES):
        raise Invalid.at("pass.json", f"has none of the styles {', '.join(STYLES)}")
    return files, content


def style_of(content: Mapping[str, Any]) -> str:
    """The one legacy style of a pass that has been checked."""
    return next(style for style in STYLES if style in content)


def expired(content: Mapping[str, Any], now: datetime) -> bool:
    """Whether a pass is voided or past its expiration date."""
    ends_at = content.get("expirationDate")
    return bool(content.get("voided")) or (ends_at is not None and datetime.fromisoformat(ends_at) <= now)
