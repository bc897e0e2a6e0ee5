"""The pages by which a person logs in, gone through without a browser."""

import html
import re

import httpx

from likeness.annotation.server.client import ServerError

_LOGIN = "/user/login/"
_TOKENS = "/api/token/"
_WHO = "/api/current-user/whoami"


def csrf(visitor: httpx.Client, page: str) -> dict[str, str]:
    """Open a page and return what its form must send along."""
    visitor.get(page).raise_for_status()
    return {"csrfmiddlewaretoken": visitor.cookies["csrftoken"]}


def refusal(page: str) -> str:
    """Return what a page says is wrong with a form, in one line."""
    said = re.findall(r"<(?:p|li|div|span)[^>]*error[^>]*>(.*?)</", page, re.DOTALL)
    plain = [html.unescape(re.sub(r"<[^>]+>|\s+", " ", each)).strip() for each in said]
    return "; ".join(dict.fromkeys(each for each in plain if each)) or "it doesn't say why"


def log_in(visitor: httpx.Client, account: str, password: str) -> None:
    """Log in by the server's form, as a browser does.

    Raises:
        ServerError: account and password are not taken.

    """
    url = str(visitor.base_url).rstrip("/")
    fields = {"email": account, "password": password, **csrf(visitor, _LOGIN)}
    answer = visitor.post(_LOGIN, data=fields, headers={"Referer": url + _LOGIN})
    if not visitor.get(_WHO).is_success:
        raise ServerError(f"{url} doesn't take {account}'s password: {refusal(answer.text)}")


def personal_token(url: str, account: str, password: str) -> str:
    """Log in and get a personal access token; one that is there already is withdrawn first.

    An account has one token at a time, and the server shows it once.

    Raises:
        ServerError: account and password are not taken.

    """
    with httpx.Client(base_url=url, timeout=60) as visitor:
        log_in(visitor, account, password)
        made = visitor.post(_TOKENS, headers=_headers(visitor, url))
        if made.status_code == httpx.codes.CONFLICT:
            for there in visitor.get(_TOKENS).raise_for_status().json():
                body = {"refresh": there["token"]}
                visitor.post(_TOKENS + "blacklist/", json=body, headers=_headers(visitor, url))
            made = visitor.post(_TOKENS, headers=_headers(visitor, url))
        if not made.is_success:
            raise ServerError(f"{url} gives {account} no token: {made.status_code}")
        return made.json()["token"]


def _headers(visitor: httpx.Client, url: str) -> dict[str, str]:
    return {"X-CSRFToken": visitor.cookies["csrftoken"], "Referer": url}
