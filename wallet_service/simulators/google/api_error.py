"""The API's error answers."""

from __future__ import annotations


class ApiError(Exception):
    """One refusal: HTTP status, Google's reason, and words. Source: google-wallet.md, section 16."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message

    def document(self) -> dict[str, object]:
        """The body of the answer."""
        entry = {"message": self.message, "domain": "walletobjects", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [entry]}}


def invalid(path: str, message: str) -> ApiError:
    """400 with the path of the fault."""
    return ApiError(400, "invalid", f"Invalid value at '{path}': {message}" if path else message)
