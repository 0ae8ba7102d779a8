"""The HTTP routes of the Google simulator.

| Path | For |
|---|---|
| `/token` | OAuth |
| `/walletobjects/v1/…` | the REST API, with `fields` |
| `/batch`, `/batch/walletobjects/v1` | many calls in one request |
| `/gp/m/issuer/keys` | the keys of callbacks |
| `/gp/v/save/{jwt}` | save links; the Android user is named by `?user=` or the header `X-Android-User` |
| `/_simulator/…` | for other processes: `service-accounts`, `phone` (a stream), `remove`, `script/…`, `objects/{id}` |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from html import escape
from typing import Any
from urllib.parse import parse_qs, unquote

from wallet_service.errors import NotFound
from wallet_service.simulators.google.accounts import Account
from wallet_service.simulators.google.api_error import ApiError, invalid
from wallet_service.simulators.google.backend import GoogleBackend
from wallet_service.simulators.google.batch import answer_batch
from wallet_service.simulators.google.fields import partial
from wallet_service.simulators.google.holders import ObjectChange
from wallet_service.simulators.google.schema import ResourceType, resource_types
from wallet_service.simulators.loopback_http import LineStream, Reply, Request

DEFAULT_USER = "camille@example.com"
_SCRIPT = frozenset({"fail_next", "delay", "rotate_keys", "hold_callbacks", "release_callbacks", "send_callback"})
_API = ["walletobjects", "v1"]


class Routes:
    """Answers requests for one simulator."""

    def __init__(self, google: GoogleBackend) -> None:
        self._google = google

    def handle(self, request: Request) -> Reply | LineStream:
        """Answer one request; refusals become Google's error document."""
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        try:
            if parts[:2] == _API:
                return self._api(request, parts[2:])
            if request.method == "POST" and parts[0] == "batch":
                return answer_batch(request, self._part)
            return self._elsewhere(request, parts)
        except ApiError as error:
            return Reply.json(error.document(), error.status)
        except NotFound as error:
            return Reply.json(ApiError(404, "notFound", str(error)).document(), 404)
        except (ValueError, TypeError, KeyError) as error:
            return Reply.json(ApiError(400, "badRequest", f"{type(error).__name__}: {error}").document(), 400)

    def _part(self, request: Request) -> Reply:
        """One call of a batch, on its own."""
        reply = self.handle(request)
        return reply if isinstance(reply, Reply) else Reply.json({}, 404)

    def _elsewhere(self, request: Request, parts: list[str]) -> Reply | LineStream:
        match request.method, parts:
            case "POST", ["token"]:
                return self._token(request)
            case "GET", ["gp", "m", "issuer", "keys"]:
                cache = {"Cache-Control": f"public, max-age={self._google.keys_max_age_s}"}
                return Reply.json(self._google.published_keys(), headers=cache)
            case "GET", ["gp", "v", "save", jwt]:
                return self._save(request, jwt)
            case _, ["_simulator", *rest]:
                return self._control(request, rest)
            case _:
                raise ApiError(404, "notFound", "There is nothing at this address.")

    def _token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("ascii")).items()}
        try:
            grant, assertion = form.get("grant_type", ""), form.get("assertion", "")
            return Reply.json(self._google.accounts.exchange(grant, assertion, self._google.token_url))
        except ApiError as error:
            return Reply.json({"error": error.reason, "error_description": error.message}, error.status)

    def _save(self, request: Request, jwt: str) -> Reply:
        user = request.query.get("user") or request.headers.get("x-android-user") or DEFAULT_USER
        saved = self._google.save(jwt, user)
        if "text/html" in request.headers.get("accept", "") and "x-android-user" not in request.headers:
            page = (
                "<!doctype html><meta charset=utf-8><title>Google Wallet</title>"
                f"<p>{escape(', '.join(saved))} → {escape(user)}</p>"
            )
            return Reply(200, page.encode(), "text/html; charset=utf-8")
        return Reply.json({"user": user, "saved": saved})

    def _api(self, request: Request, parts: list[str]) -> Reply:
        google, status, reason = self._google, 200, None
        method = request.headers.get("x-http-method-override", request.method)
        try:
            google.stopping.wait(google.delay_s)
            if google.rate is not None:
                google.rate.spend()
            failure = google.take_failure(method)
            if failure is not None and not failure.applied:
                raise failure.error()
            account = google.accounts.caller(request.headers.get("authorization"))
            answer = self._call(request, method, parts, account)
            if failure is not None:
                raise failure.error()
            return Reply.json(partial(answer, request.query.get("fields")))
        except ApiError as error:
            status, reason = error.status, error.reason
            raise
        except (ValueError, TypeError):
            status, reason = 400, "badRequest"
            raise
        finally:
            google.record(method, request.path, status, reason)

    def _call(self, request: Request, method: str, parts: list[str], account: Account) -> dict[str, Any]:
        google, resources = self._google, self._google.resources
        if (method, parts) == ("POST", ["jwt"]):
            save_uri, made = google.insert_from(request.json()["jwt"])
            return {"saveUri": save_uri, "resources": made}
        if (method, parts) == ("POST", ["jwt", "validate"]):
            google.validate(request.json(), account)
            return {}
        kind = resource_types().get(parts[0]) if parts else None
        if kind is None:
            raise ApiError(404, "notFound", "There is no such resource type.")
        if len(parts) > 1:
            google.authorize(account, parts[1])
        match method, parts[1:]:
            case "POST", []:
                body = request.json()
                if not isinstance(body, dict) or not isinstance(body.get("id"), str):
                    raise invalid("id", "this field is required")
                google.authorize(account, body["id"])
                return resources.insert(kind, body)
            case "GET", []:
                return self._list(request, kind, account)
            case "GET", [resource_id]:
                return resources.get(kind, resource_id)
            case "PATCH", [resource_id]:
                return resources.patch(kind, resource_id, request.json())
            case "PUT", [resource_id]:
                return resources.update(kind, resource_id, request.json())
            case "POST", [resource_id, "addMessage"] if "addmessage" in kind.methods:
                return resources.add_message(kind, resource_id, request.json())
            case _:
                raise ApiError(404, "notFound", "There is no such method.")

    def _list(self, request: Request, kind: ResourceType, account: Account) -> dict[str, Any]:
        name = "issuerId" if kind.is_class else "classId"
        parent_id = request.query.get(name)
        if not parent_id:
            raise invalid(name, "this parameter is required")
        self._google.authorize(account, parent_id)
        wanted = request.query.get("maxResults")
        limit = int(wanted) if wanted else None
        if limit is not None and limit < 1:
            raise invalid("maxResults", "this must be at least 1")
        page = self._google.resources.list(kind, parent_id, max_results=limit, token=request.query.get("token"))
        pagination: dict[str, object] = {"resultsPerPage": len(page.resources)}
        if page.next_token is not None:
            pagination["nextPageToken"] = page.next_token
        return {"resources": list(page.resources), "pagination": pagination}

    def _control(self, request: Request, parts: list[str]) -> Reply | LineStream:
        google = self._google
        match request.method, parts:
            case "POST", ["service-accounts"]:
                return Reply.json(google.make_service_account(request.json()["issuer_id"]))
            case "POST", ["remove"]:
                google.remove(**request.json())
                return Reply.json({})
            case "POST", ["script", name] if name in _SCRIPT:
                action: Callable[..., object] = getattr(google, name)
                return Reply.json({"result": action(**(request.json() or {}))})
            case "GET", ["objects", object_id]:
                return Reply.json({**google.object(object_id), "holders": google.holders(object_id)})
            case "GET", ["phone"]:
                return self._phone(request.query["user"])
            case _:
                raise ApiError(404, "notFound", "There is nothing at this address.")

    def _phone(self, user: str) -> LineStream:
        def tell(change: ObjectChange) -> None:
            stream.put(asdict(change))

        stream = LineStream(on_end=lambda: self._google.disconnect_phone(user, tell))
        stream.put({"connected": user})
        self._google.connect_phone(user, tell)
        return stream
