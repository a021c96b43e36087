"""The table of problem types: what can go wrong, why, and what to do about it."""

from enum import Enum


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
    OPERATION_NOT_FOUND = (
        "operation-not-found",
        404,
        "The payment has no such operation",
        "No operation of the payment has this id; or it was accepted a moment ago (202) and its turn has not come.",
        "After a 202 ask again in a second. One that is refused in its turn is answered with the reason instead.",
    )
    METHOD_NOT_ALLOWED = (
        "method-not-allowed",
        405,
        "The method is not allowed here",
        "The resource exists, the method does not.",
        "Use one of the methods in the Allow header.",
    )
    SLOW_REQUEST = (
        "request-timeout",
        408,
        "The request did not arrive in time",
        "The head or the body was not complete within the time a request has for it. The connection is closed.",
        "Send it again, with the same Idempotency-Key.",
    )
    REFUSED = (
        "command-refused",
        409,
        "The command was refused",
        "The payment's state does not allow the command; 'code' says which rule refused it.",
        "Read the payment and decide anew.",
    )
    NOT_AUTHORIZED = (
        "payment-not-authorized",
        409,
        "The payment holds no money",
        "Only a payment in state AUTHORIZED can be captured or voided; this one is not held yet, or not any more.",
        "Read the payment. One that is not paid yet can be cancelled, one that is captured can be refunded.",
    )
    NOT_CAPTURED = (
        "payment-not-captured",
        409,
        "The payment has nothing to give back",
        "Only a payment in state CAPTURED or PARTIALLY_REFUNDED can be refunded.",
        "Read the payment. One that is held can be voided, one that is not paid yet can be cancelled.",
    )
    NOT_UNPAID = (
        "payment-not-unpaid",
        409,
        "The payment is not unpaid",
        "Only a payment in state PENDING can be cancelled; this one is paid, held or closed.",
        "Void a payment that is held, refund one that is captured.",
    )
    ALREADY_CLOSED = (
        "payment-closed",
        409,
        "The payment is closed",
        "The payment came to its end: there is nothing left to cancel.",
        "Read the payment; open a new one to try again.",
    )
    OPERATION_IN_PROGRESS = (
        "operation-in-progress",
        409,
        "Another operation is under way",
        "A capture or a void of this payment was sent to the provider and has not ended.",
        "Wait for its end (read the payment, or listen to its events), then decide anew.",
    )
    OUTCOME_UNKNOWN = (
        "operation-outcome-unknown",
        409,
        "The outcome of another operation is not known",
        "The provider did not tell how a capture or a void ended. It is being asked; money must not move before.",
        "Wait: the operation becomes SUCCESS or FAIL by itself. Then decide anew.",
    )
    AMOUNT_EXCEEDS_AUTHORIZED = (
        "amount-exceeds-authorized",
        409,
        "More than is held",
        "The amount to capture is more than the payment's 'authorized'.",
        "Capture at most what is held, or leave 'amount' out to capture all of it.",
    )
    AMOUNT_EXCEEDS_REFUNDABLE = (
        "amount-exceeds-refundable",
        409,
        "More than is left to refund",
        "The amount is more than was captured and not given back. Refunds under way count as given back.",
        "Refund at most what is left, or leave 'amount' out to refund all of it.",
    )
    ITEMS_NOT_REFUNDABLE = (
        "items-not-refundable",
        409,
        "More units than were sold and not given back",
        "A line names a product that was not sold, or more units than are left. Refunds under way count.",
        "Read the payment with ?expand=cart and its operations; name at most what is left.",
    )
    CARD_NUMBER = (
        "card-number",
        422,
        "A card number was sent",
        "A number that can be a payment card's stands in the request. It was neither stored nor logged.",
        "Never send card numbers here: the customer gives them to the provider. Check what your system logged of it.",
    )
    CART_REQUIRED = (
        "cart-required",
        422,
        "A partial capture needs its cart",
        "The amount is less than what is held, and the cart that is sold after all is missing.",
        "Send 'cart' with the items that are sold; its total is the amount.",
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
    NO_PROVIDER = (
        "no-provider",
        422,
        "No provider takes this payment",
        "The payment names no provider, and no routing rule has one that takes this currency and amount.",
        "Check currency and amount; else ask whoever keeps the routing rules, or name a provider.",
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
    TOO_MANY_REQUESTS = (
        "too-many-requests",
        429,
        "Too many requests",
        "The API client sent more requests than it may; the RateLimit-Policy header says how many that are.",
        "Send the request again after Retry-After seconds, with the same Idempotency-Key.",
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
