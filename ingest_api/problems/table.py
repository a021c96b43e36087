"""The table of problem types: what can go wrong, why, and what resolves it."""

from runtime.http.problems import ProblemType


class Problem(ProblemType):
    """All problem types. The OpenAPI document and ``GET /problems`` are made from this table.

    ``code`` ends the type's URI. ``former_code`` is the code of earlier releases, where it was renamed: its URI still
    resolves. ``cause`` and ``resolution`` are for people.
    """

    def __init__(
        self, code: str, status: int, title: str, cause: str, resolution: str, former_code: str | None = None
    ) -> None:
        self.code = code
        self.status = status
        self.title = title
        self.cause = cause
        self.resolution = resolution
        self.former_code = former_code

    MALFORMED_JSON = (
        "malformed-json",
        400,
        "The body is not JSON",
        "The body is empty, cut off, nested too deep, has a member twice in one object or is not JSON in UTF-8.",
        "Send one JSON object.",
    )
    INVALID_IDEMPOTENCY_KEY = (
        "invalid-idempotency-key",
        400,
        "The Idempotency-Key is missing or invalid",
        "A command needs exactly one Idempotency-Key header of 1 to 255 visible ASCII characters.",
        "Send a new key with each new command, and the same key when you repeat it.",
    )
    INVALID_HTTP = (
        "bad-request",
        400,
        "The request is malformed",
        "The request is not valid HTTP.",
        "Check the request against the API documentation.",
    )
    UNAUTHORIZED = (
        "unauthorized",
        401,
        "The API key is missing or wrong",
        "The Authorization header is missing or there twice, is not of the form 'Bearer <api key>', or has a key that is not valid.",
        "Send your API key.",
    )
    FORBIDDEN = (
        "forbidden",
        403,
        "The API key lacks a scope",
        "The API key is valid, but does not have the scope in 'scope'.",
        "Use a key with this scope.",
    )
    NOT_FOUND = (
        "not-found",
        404,
        "The resource does not exist",
        "No resource has this URL.",
        "Check the URL.",
    )
    PAYMENT_NOT_FOUND = (
        "payment-not-found",
        404,
        "The payment does not exist",
        "No payment of this API client has this id, or it was accepted a moment ago (202) and is not stored yet.",
        "After a 202, repeat the request in a second. Otherwise check the id and the API key.",
    )
    OPERATION_NOT_FOUND = (
        "operation-not-found",
        404,
        "The operation does not exist",
        "No operation of the payment has this id, or it was accepted a moment ago (202) and is not processed yet.",
        "After a 202, repeat the request in a second. If the operation was refused, the response is the reason.",
    )
    PAYMENT_METHOD_NOT_FOUND = (
        "payment-method-not-found",
        404,
        "The payment method does not exist",
        "No payment method of this API client has this id.",
        "List the customer's payment methods. A method is saved when its payment is paid.",
    )
    PLAN_NOT_FOUND = (
        "plan-not-found",
        404,
        "The plan does not exist",
        "No plan of this API client has this id.",
        "List the plans. Each API client has its own.",
    )
    SUBSCRIPTION_NOT_FOUND = (
        "subscription-not-found",
        404,
        "The subscription does not exist",
        "No subscription of this API client has this id, or it was accepted a moment ago (202) and is not stored yet.",
        "After a 202, repeat the request in a second. Otherwise check the id and the API key.",
    )
    TEST_CLOCKS_OFF = (
        "test-clocks-off",
        403,
        "Test clocks are off",
        "The service runs without test clocks. They are for installations whose providers are all sandboxes.",
        "Use an installation with sandboxes. Its operators set BILLING_TEST_CLOCKS=true.",
    )
    TEST_CLOCK_NOT_FOUND = (
        "test-clock-not-found",
        404,
        "The test clock does not exist",
        "No test clock of this API client has this id.",
        "Check the id and the API key.",
    )
    METHOD_NOT_ALLOWED = (
        "method-not-allowed",
        405,
        "The method is not allowed",
        "The resource exists, but does not support this method.",
        "Use one of the methods in the Allow header.",
    )
    SLOW_REQUEST = (
        "request-timeout",
        408,
        "The request did not arrive in time",
        "The head or the body of the request was not complete in time. The connection is closed.",
        "Send it again, with the same Idempotency-Key.",
    )
    REFUSED = (
        "command-refused",
        409,
        "The command was refused",
        "The state of the payment does not allow the command; 'code' names the rule.",
        "Read the payment and decide again.",
    )
    NOT_AUTHORIZED = (
        "payment-not-authorized",
        409,
        "The payment is not authorized",
        "Only a payment in state AUTHORIZED can be captured or voided.",
        "Read the payment. A PENDING payment can be cancelled, a CAPTURED payment can be refunded.",
    )
    NOT_CAPTURED = (
        "payment-not-captured",
        409,
        "The payment is not captured",
        "Only a payment in state CAPTURED or PARTIALLY_REFUNDED can be refunded.",
        "Read the payment. An AUTHORIZED payment can be voided, a PENDING payment can be cancelled.",
    )
    ALREADY_PAID = (
        "payment-already-paid",
        409,
        "The payment is already paid",
        "Only a payment in state PENDING can be cancelled. The customer has paid this one.",
        "Void an AUTHORIZED payment, refund a CAPTURED payment.",
        "payment-not-unpaid",
    )
    ALREADY_CLOSED = (
        "payment-closed",
        409,
        "The payment is closed",
        "The payment is in a final state: there is nothing to cancel.",
        "Read the payment. Open a new one to try again.",
    )
    OPERATION_IN_PROGRESS = (
        "operation-in-progress",
        409,
        "Another operation is in progress",
        "A capture or a void of this payment was sent to the provider and has not ended.",
        "Wait for its end (read the payment, or follow its events), then decide again.",
    )
    OUTCOME_UNKNOWN = (
        "operation-outcome-unknown",
        409,
        "The outcome of another operation is unknown",
        "The provider did not report the outcome of a capture or a void. The service is querying it; money must not move before that.",
        "Wait: the operation becomes SUCCESS or FAIL by itself. Then decide again.",
    )
    PAYMENT_METHOD_REMOVED = (
        "payment-method-removed",
        409,
        "The payment method is removed",
        "The method in 'payment_method_id' was removed, or its bank or provider will not charge it any more.",
        "Read the payment method. Let the customer pay with another one.",
    )
    AMOUNT_EXCEEDS_AUTHORIZED = (
        "amount-exceeds-authorized",
        409,
        "The amount exceeds the authorized amount",
        "The amount to capture is more than the payment's 'authorized'.",
        "Capture at most the authorized amount, or leave 'amount' out to capture all of it.",
    )
    AMOUNT_EXCEEDS_REFUNDABLE = (
        "amount-exceeds-refundable",
        409,
        "The amount exceeds the refundable amount",
        "The amount is more than was captured and not refunded. Refunds in progress count as refunded.",
        "Refund at most what is left, or leave 'amount' out to refund all of it.",
    )
    ITEMS_NOT_REFUNDABLE = (
        "items-not-refundable",
        409,
        "The items are not refundable",
        "A line names a product that was not sold, or more units than are left. Refunds in progress count as refunded.",
        "Read the payment with ?expand=cart and its operations. Name at most what is left.",
    )
    PLAN_EXISTS = (
        "plan-exists",
        409,
        "The plan exists",
        "The API client has a plan with this id.",
        "Read the plan, or take another id. A plan's title and group do not change.",
    )
    PLAN_ARCHIVED = (
        "plan-archived",
        409,
        "The plan is archived",
        "No subscription begins with an archived plan, and it gets no new prices. Running subscriptions go on.",
        "Take another plan.",
    )
    ALREADY_SUBSCRIBED = (
        "already-subscribed",
        409,
        "The customer is subscribed already",
        "The customer has a subscription in this group of plans. A customer has one in each group.",
        "Read the subscription at Location. It can be kept, paid or cancelled.",
    )
    FIRST_PAYMENT_OPEN = (
        "first-payment-open",
        409,
        "The first payment is open",
        "The subscription waits for its first payment. Its page is in 'payment_url', once the provider has given it.",
        "Send the customer to 'payment_url', or subscribe again with 'replace'.",
    )
    CHARGE_OPEN = (
        "charge-open",
        409,
        "A charge is open",
        "The outcome of a charge of the saved method is not known yet; 'detail' says since when. Another payment could pay the period twice.",
        "Wait for its outcome (read the subscription, or follow its events), then decide again.",
    )
    TOO_MANY_TRIES = (
        "too-many-tries",
        409,
        "Too many tries to pay",
        "Within a day a customer can try five times to pay a declined renewal, by another method or on a page: banks decline cards that are tried too often.",
        "Try again at the time in 'detail'.",
    )
    NOTHING_DUE = (
        "nothing-due",
        409,
        "Nothing is due",
        "Only a subscription in state PAST_DUE or ON_HOLD has something to pay.",
        "Read the subscription. It renews by itself.",
    )
    NO_METHOD = (
        "no-method",
        409,
        "The subscription has no payment method",
        "The saved method was removed, or there never was one: nothing could be charged.",
        "Name a saved payment method of the customer first.",
    )
    NOT_CANCELLED = (
        "subscription-not-cancelled",
        409,
        "The subscription is not cancelled",
        "Only a cancellation that waits for the end of the period can be taken back.",
        "Read the subscription. One that has ended begins anew by subscribing.",
    )
    SUBSCRIPTION_ENDED = (
        "subscription-ended",
        409,
        "The subscription has ended",
        "The subscription is not running, or the time that was paid for is over.",
        "Read the subscription. It begins anew by subscribing.",
    )
    NOT_EXTENDABLE = (
        "subscription-not-extendable",
        409,
        "The subscription cannot be extended",
        "Only a paid period of a running subscription can be extended.",
        "Read the subscription and its periods.",
    )
    CARD_NUMBER = (
        "card-number",
        422,
        "The request contains a card number",
        "The fields in 'errors', or the header in 'detail', contain a number that can be a payment card's. It was neither stored nor logged.",
        "Never send card numbers to this API: the customer gives them to the provider. Check what your system has logged.",
    )
    CART_REQUIRED = (
        "cart-required",
        422,
        "A partial capture needs a cart",
        "The amount is less than the authorized amount, and the cart that is still sold is missing.",
        "Send 'cart' with the items that are still sold. Its total is the amount.",
    )
    BODY_TOO_LARGE = (
        "body-too-large",
        413,
        "The body is too large",
        "The body is larger than 'limit_bytes'.",
        "Send a smaller body.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported-media-type",
        415,
        "The content type is not supported",
        "The Content-Type header is missing or is not application/json.",
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
        "The provider is unknown",
        "The provider does not exist or is not configured.",
        "Use one of the providers in 'providers'.",
    )
    UNKNOWN_PAYMENT_METHOD = (
        "unknown-payment-method",
        422,
        "The payment method is unknown",
        "The customer has no payment method with the id in 'payment_method_id'.",
        "Use one of the customer's payment methods.",
    )
    NO_PROVIDER = (
        "no-provider",
        422,
        "No provider takes this payment",
        "The payment names no provider, and no routing rule has a provider that takes this currency and amount.",
        "Check the currency and the amount, name a provider, or ask the operator of the service about the routing rules.",
    )
    UNKNOWN_PRICE = (
        "unknown-price",
        422,
        "The price is unknown",
        "The API client has no price with this id, or the plan does not exist or has no price in this currency.",
        "List the plans with their prices.",
    )
    INVALID_PRICE = (
        "invalid-price",
        422,
        "The price is not valid",
        "The price cannot be charged; 'detail' names the rule.",
        "Correct the price and send it with a new Idempotency-Key.",
    )
    INVALID_END = (
        "invalid-end",
        422,
        "The new end is not valid",
        "The new end of the period lies in the past, or not behind the present end.",
        "Send an end in the future, behind the present one.",
    )
    UNKNOWN_TEST_CLOCK = (
        "unknown-test-clock",
        422,
        "The test clock is unknown",
        "The API client has no test clock with this id.",
        "Make the test clock first.",
    )
    TEST_CLOCK_NEEDS_SANDBOX = (
        "test-clock-needs-sandbox",
        422,
        "A test clock needs a sandbox",
        "The provider takes real money: a subscription there lives by real time.",
        "Leave 'test_clock' out, or use an installation whose providers are sandboxes.",
    )
    TEST_CLOCK_FULL = (
        "test-clock-full",
        409,
        "The test clock has no room",
        "As many subscriptions live by the test clock as it can move: 1,000, those that have ended included.",
        "Make another test clock.",
    )
    INVALID_CLOCK_TIME = (
        "invalid-clock-time",
        422,
        "The time is not valid for the test clock",
        "The time lies before the one that the clock stands at or is on its way to, more than five years ahead, or outside the years 2000 to 2100; 'detail' says which.",
        "Read the test clock, and send a time that it can reach. A clock never goes back: for an earlier time make another.",
    )
    INVALID_ORDER = (
        "invalid-order",
        422,
        "The order is not valid",
        "The order breaks a rule of the service; 'detail' names it.",
        "Correct the order and send it with a new Idempotency-Key.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used with another body",
        "A command with this Idempotency-Key and another body was accepted before.",
        "Repeat a command with exactly its body. Use a new key for a new command.",
    )
    TOO_MANY_REQUESTS = (
        "too-many-requests",
        429,
        "Too many requests",
        "The API client exceeded its rate, which is in the RateLimit-Policy header.",
        "Repeat the request after Retry-After seconds, with the same Idempotency-Key.",
    )
    TOO_MANY_STREAMS = (
        "too-many-event-streams",
        429,
        "Too many event streams",
        "The API client has as many event streams open as one process allows it.",
        "Close streams of payments that are final, or read the payments instead.",
    )
    INTERNAL = (
        "internal-error",
        500,
        "The service failed",
        "An unexpected error; it is logged under 'request_id'.",
        "Repeat the request with the same Idempotency-Key. If the error persists, report the request id.",
    )
    UPGRADE_IN_PROGRESS = (
        "upgrade-in-progress",
        503,
        "An upgrade is in progress",
        "A part of the service does not know this command yet. The request was not accepted.",
        "Repeat the request after Retry-After seconds, with the same Idempotency-Key.",
    )
    UNAVAILABLE = (
        "service-unavailable",
        503,
        "The service is unavailable",
        "A system that the service needs is unavailable. The request was not accepted.",
        "Repeat the request after Retry-After seconds, with the same Idempotency-Key.",
    )
