"""Every error the API answers with: RFC 9457 problem documents with stable types."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Enum):
    """The table: all there are. The OpenAPI document and ``GET /problems`` are made from it.

    ``code`` ends the type's URI and never changes; ``cause`` and ``cure`` are for who reads it.
    """

    def __init__(self, code: str, status: int, title: str, cause: str, cure: str) -> None:
        self.code = code
        self.status = status
        self.title = title
        self.cause = cause
        self.cure = cure

    @property
    def uri(self) -> str:
        """The ``type`` member; it resolves to the description served by this API."""
        return f"/problems/{self.code}"

    MALFORMED_JSON = (
        "malformed-json",
        400,
        "The body is not JSON",
        "The body is empty, cut off, nested too deep or not JSON in UTF-8.",
        "Send one JSON object.",
    )
    INVALID_IDEMPOTENCY_KEY = (
        "invalid-idempotency-key",
        400,
        "The Idempotency-Key is missing or invalid",
        "A command came without exactly one Idempotency-Key header of 1 to 255 visible ASCII characters.",
        "Send a fresh key with each new command, and the same key when you repeat it.",
    )
    INVALID_HTTP = (
        "bad-request",
        400,
        "The request is malformed",
        "The request could not be understood.",
        "Check the request against the API's documentation.",
    )
    UNAUTHORIZED = (
        "unauthorized",
        401,
        "The API key is missing or wrong",
        "The Authorization header is missing, is not of the form 'Bearer <api key>', or carries a key that is not valid.",
        "Send your API key.",
    )
    FORBIDDEN = (
        "forbidden",
        403,
        "The API key does not allow this",
        "The API key is valid, but not for this.",
        "Use a key with the scope this needs.",
    )
    NOT_FOUND = ("not-found", 404, "There is nothing here", "No resource has this URL.", "Check the URL.")
    PAYMENT_NOT_FOUND = (
        "payment-not-found",
        404,
        "There is no such payment",
        "No payment of this API client has this id; or it was accepted a moment ago (202) and is not stored yet.",
        "After a 202 ask again in a second; otherwise check the id and the API key.",
    )
    METHOD_NOT_ALLOWED = (
        "method-not-allowed",
        405,
        "The method is not allowed here",
        "The resource exists, the method does not.",
        "Use one of the methods in the Allow header.",
    )
    SLOW_BODY = (
        "request-timeout",
        408,
        "The body did not arrive in time",
        "The body was not complete within the time a request has for it.",
        "Send it again, with the same Idempotency-Key.",
    )
    REFUSED = (
        "command-refused",
        409,
        "The command was refused",
        "The payment's state does not allow the command; 'code' says which rule refused it.",
        "Read the payment and decide anew.",
    )
    BODY_TOO_LARGE = (
        "body-too-large",
        413,
        "The body is too large",
        "The body is larger than this resource takes.",
        "Send less.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported-media-type",
        415,
        "The body's content type is not supported",
        "The Content-Type header is missing or not application/json.",
        "Send Content-Type: application/json.",
    )
    INVALID_REQUEST = (
        "invalid-request",
        422,
        "The request is not valid",
        "Fields are missing, unknown, of the wrong type or out of range; 'errors' names each.",
        "Correct the fields named in 'errors'.",
    )
    CART_TOTAL_MISMATCH = (
        "cart-total-mismatch",
        422,
        "The amount is not the cart's total",
        "The amount differs from the sum of quantity times unit price over the cart's items.",
        "Send the cart's total as the amount, in minor units.",
    )
    UNKNOWN_PROVIDER = (
        "unknown-provider",
        422,
        "The provider is not known",
        "The provider does not exist or is not set up here.",
        "Use one of the providers in 'providers'.",
    )
    INVALID_ORDER = (
        "invalid-order",
        422,
        "The order cannot be paid",
        "The order breaks a rule of the books.",
        "Correct the order as 'detail' says and send it with a new Idempotency-Key.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used with another body",
        "A command with this Idempotency-Key was accepted before, with another body.",
        "Repeat a command with exactly its body; use a fresh key for a new command.",
    )
    INTERNAL = (
        "internal-error",
        500,
        "Something went wrong on our side",
        "An error that should not happen; it was recorded under 'request_id'.",
        "Repeat the request with the same Idempotency-Key; tell us the request id if it stays.",
    )
    UNAVAILABLE = (
        "service-unavailable",
        503,
        "The service cannot take this now",
        "A part the service needs is away. The request was not accepted.",
        "Repeat it after Retry-After seconds, with the same Idempotency-Key.",
    )


class FieldError(msgspec.Struct, frozen=True):
    """One fault of a body. ``pointer``: RFC 6901, from the body's root."""

    pointer: str
    detail: str


class ProblemError(Exception):
    """Raised anywhere while a request is handled; answered as ``problem``.

    ``detail`` is for people and never repeats what the client sent; ``extensions`` become members of the document.
    """

    def __init__(
        self,
        problem: Problem,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
        **extensions: Any,
    ) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.detail = detail
        self.headers = headers
        self.extensions = {**extensions, "errors": errors} if errors else extensions


#: Refusals of the domain that have a problem type of their own; any other code is a ``command-refused``.
REFUSALS: Final[Mapping[str, Problem]] = {
    "idempotency_key_reused": Problem.IDEMPOTENCY_KEY_REUSED,
    "invalid_order": Problem.INVALID_ORDER,
}

#: Seconds after which a client may ask again when a part is away.
RETRY_AFTER_S: Final = 1


def unavailable(detail: str) -> ProblemError:
    """503 with Retry-After."""
    return ProblemError(Problem.UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def problem_response(error: ProblemError, request_id: str | None) -> Response:
    """The answer for ``error``."""
    document: dict[str, Any] = {
        "type": error.problem.uri,
        "title": error.problem.title,
        "status": error.problem.status,
    }
    if error.detail is not None:
        document["detail"] = error.detail
    if request_id is not None:
        document["request_id"] = request_id
    document.update(error.extensions)
    return Response(
        msgspec.json.encode(document),
        status_code=error.problem.status,
        headers=dict(error.headers) if error.headers else None,
        media_type=MEDIA_TYPE,
    )
