"""A request whose headers may hold anything: what cannot be read counts as absent.

Werkzeug's parsers raise for some values. That makes a 500 of what is the client's fault.
"""

import re
from functools import cache
from typing import IO, Any

from flask import Request as FlaskRequest
from flask import request
from werkzeug.datastructures import CharsetAccept, IfRange
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_date
from werkzeug.utils import cached_property

MALFORMED = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
# Werkzeug reads these from the environ too, as for a conditional response. RFC 9110 sections 13.1.3
# to 13.1.5: one that is no date is to be ignored.
DATES = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE")


class OrAbsent:
    """A property of Flask's request. If that raises, the value is that without the header."""

    def __init__(self, name: str) -> None:
        self.property: Any = getattr(FlaskRequest, name)
        self.__doc__ = self.property.__doc__

    def __get__(self, request: Any, owner: type) -> Any:
        """Return the value."""
        if request is None:
            return self
        try:
            return self.property.__get__(request, owner)
        except HTTPException:
            raise  # is an answer; some are KeyErrors too
        except MALFORMED:
            return self.property.__get__(owner({}), owner)

    def __set__(self, request: Any, value: Any) -> None:
        """Set it, where Flask's can be set."""
        self.property.__set__(request, value)

    def __delete__(self, request: Any) -> None:
        """Forget it, where Flask's can be forgotten."""
        self.property.__delete__(request)


class Request(FlaskRequest):
    """Flask's request, made to read whatever a client sends."""

    def __init__(self, environ: dict[str, Any], *args: Any, **options: Any) -> None:
        super().__init__(environ, *args, **options)
        for name in DATES:
            if name in environ:
                drop_malformed_date(environ, name)
        if not self.query_string.isascii():
            self.query_string = readable(self.query_string)

    accept_encodings = OrAbsent("accept_encodings")
    accept_languages = OrAbsent("accept_languages")
    accept_mimetypes = OrAbsent("accept_mimetypes")
    access_control_request_headers = OrAbsent("access_control_request_headers")
    access_route = OrAbsent("access_route")
    authorization = OrAbsent("authorization")
    cache_control = OrAbsent("cache_control")
    content_length = OrAbsent("content_length")
    cookies = OrAbsent("cookies")
    date = OrAbsent("date")
    if_match = OrAbsent("if_match")
    if_modified_since = OrAbsent("if_modified_since")
    if_none_match = OrAbsent("if_none_match")
    if_unmodified_since = OrAbsent("if_unmodified_since")
    max_forwards = OrAbsent("max_forwards")
    mimetype = OrAbsent("mimetype")
    mimetype_params = OrAbsent("mimetype_params")
    pragma = OrAbsent("pragma")
    range = OrAbsent("range")
    user_agent = OrAbsent("user_agent")

    @cached_property
    def stream(self) -> IO[bytes]:
        """The server's own stream, if it ends by itself and its length is within the limit.

        Werkzeug puts a counting stream around it. For a small body that costs more than its JSON.
        """
        ends, length = self.environ.get("wsgi.input_terminated"), self.content_length
        if ends and length is not None and not self.shallow:
            if length <= (self.max_content_length or 0):
                return self.environ["wsgi.input"]  # type: ignore[no-any-return]
        return super().stream

    @property
    def blueprints(self) -> list[str]:
        """The blueprints of the route, the innermost first."""
        return blueprints(self.url_rule.endpoint) if self.url_rule is not None else []

    @property
    def accept_charsets(self) -> CharsetAccept:
        """The charsets that the client takes. No name has a NUL: Python raises when it sees one."""
        found: CharsetAccept = super().accept_charsets
        return CharsetAccept(pair for pair in found if "\0" not in pair[0])

    @property
    def if_range(self) -> IfRange:
        """What If-Range says, if it is a date or an entity tag."""
        found = super().if_range
        return IfRange() if found.etag and '"' in found.etag else found

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Parse the body as JSON; nested too deep to be read is malformed."""
        try:
            return super().get_json(force, silent, cache)
        except RecursionError as error:
            return None if silent else self.on_json_loading_failed(ValueError(str(error)))


def current_request() -> Request:
    """Return the request itself: each look through Flask's proxy takes ten times as long."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


@cache  # there are no more than routes
def blueprints(endpoint: str) -> list[str]:
    """Return the blueprints of an endpoint, the innermost first, as Flask names them."""
    names = endpoint.split(".")
    return [".".join(names[:count]) for count in range(len(names) - 1, 0, -1)]


def drop_malformed_date(environ: dict[str, Any], name: str) -> None:
    """Remove a header from the environ if Werkzeug cannot read it."""
    try:
        parse_date(environ[name])
    except MALFORMED:
        del environ[name]


def readable(query: bytes) -> bytes:
    """Return a query that is UTF-8; otherwise percent-encode its bytes, as Werkzeug does."""
    try:
        query.decode()
    except UnicodeDecodeError:
        return re.sub(rb"[^\0-\x7f]", lambda byte: b"%%%02X" % byte[0][0], query)
    return query
