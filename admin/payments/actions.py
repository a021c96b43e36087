"""What people can do to a payment, as data, and what their forms say as commands. Pure."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from uuid import UUID, uuid4, uuid5

import msgspec

from admin.formatting import money
from admin.language import N_, gettext, ngettext
from admin.pages import Form
from admin.people.permissions import Permission
from admin.retelling import retold
from billing.errors import InvalidMoney
from billing.messages import (
    AmendPayment,
    CapturePayment,
    CorrectPayment,
    FollowUpOperation,
    RefundLine,
    RefundPayment,
    VoidPayment,
)
from billing.money import exponent, from_typed
from billing.orders import Cart, Contact
from billing.payments.model import Payment
from billing.payments.refundable_cart import sold_cart
from runtime.logging.card_numbers import holds_card_number

Command = CapturePayment | VoidPayment | RefundPayment | CorrectPayment | AmendPayment | FollowUpOperation

REASON_MAX: Final = 250
NOTE_MAX: Final = 2_000
KEYS_MAX: Final = 50
VALUE_MAX: Final = 500


#: The fields that these messages name.
FIELDS: Final = (N_("reason"), N_("note"), N_("email"), N_("phone"), N_("key_name"), N_("key_value"))


class InvalidForm(Exception):
    """A field cannot be used. The message says which and why, in the reader's language."""


def checked_reason(typed: str) -> str:
    """Why a person acts, as they typed it. Raises :class:`InvalidForm`."""
    return _text("reason", typed, REASON_MAX, required=True)


def checked_note(typed: str) -> str:
    """A note for colleagues, as a person typed it. Raises :class:`InvalidForm`."""
    return _text("note", typed, NOTE_MAX, required=True)


def _text(name: str, value: str, limit: int, *, required: bool) -> str:
    if required and not value:
        raise InvalidForm(gettext("Fill in the %(field)s.", field=gettext(name)))
    if len(value) > limit:
        raise InvalidForm(
            ngettext(
                "The %(field)s has at most %(count)s character.",
                "The %(field)s has at most %(count)s characters.",
                limit,
                field=gettext(name),
                count=limit,
            )
        )
    if any(not (c.isprintable() or c in "\n\r") for c in value):
        raise InvalidForm(gettext("The %(field)s has characters that cannot be printed.", field=gettext(name)))
    if holds_card_number(value):
        raise InvalidForm(gettext("The %(field)s holds a card number: these are kept nowhere.", field=gettext(name)))
    return value.replace("\r\n", "\n")


class Typed(NamedTuple):
    """What a person typed: fields without white space around them, and who it is. ``key``: of the form, the same however
    often it is sent: so is the command's id."""

    fields: Mapping[str, str]
    operator: str
    key: UUID

    @classmethod
    def of(cls, form: Form, operator: str) -> "Typed":
        """What a form brought; one without a key has a new one."""
        try:
            key = UUID(form.one("key"))
        except ValueError:
            key = uuid4()
        return cls({name: form.one(name) for name in form}, operator, key)

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    def text(self, name: str, limit: int, *, required: bool = True) -> str:
        """A text without control characters. Raises :class:`InvalidForm`."""
        return _text(name, self.get(name), limit, required=required)

    @property
    def reason(self) -> str:
        return checked_reason(self.get("reason"))


class Action(NamedTuple):
    """Something that a person can do. ``label``, ``explains``: for people; ``gives_back``: money leaves us by it;
    ``two_people``: always."""

    name: str
    label: str
    explains: str
    permission: Permission
    build: Callable[[Payment, Typed], Command]
    gives_back: bool = False
    two_people: bool = False


def operation_id(payment: Payment, typed: Typed) -> UUID:
    """The id of the operation that the form asks for."""
    return uuid5(payment.id, f"admin/{typed.key}")


def _capture(payment: Payment, typed: Typed) -> Command:
    chosen = _quantities(payment, typed)
    cart = None
    if chosen:
        items = {item.product_id: item for item in sold_cart(payment).items}
        cart = Cart(tuple(msgspec.structs.replace(items[line.product_id], quantity=line.quantity) for line in chosen))
        if cart == payment.order.cart:
            cart = None
    return CapturePayment(
        payment.id,
        operation_id(payment, typed),
        None if cart is None else cart.total,
        cart,
        operator=typed.operator,
        reason=typed.reason,
        if_version=payment.version,
    )


def _void(payment: Payment, typed: Typed) -> Command:
    id = operation_id(payment, typed)
    return VoidPayment(payment.id, id, typed.reason, operator=typed.operator, if_version=payment.version)


def _refund(payment: Payment, typed: Typed) -> Command:
    amount, items = None, _quantities(payment, typed)
    if typed.get("amount"):
        if items:
            raise InvalidForm(gettext("Give an amount or items, not both."))
        amount = _amount(typed.get("amount"), payment.order.currency)
    return RefundPayment(
        payment.id,
        operation_id(payment, typed),
        typed.reason,
        amount,
        items,
        operator=typed.operator,
        if_version=payment.version,
    )


def _correct(payment: Payment, typed: Typed) -> Command:
    operation, ended = typed.get("operation"), typed.get("ended")
    if operation not in {str(o.id) for o in payment.operations} or ended not in ("succeeded", "failed"):
        raise InvalidForm(gettext("Choose the operation, and how it really ended."))
    return CorrectPayment(
        payment.id,
        operation_id(payment, typed),
        UUID(operation),
        ended == "succeeded",
        typed.operator,
        typed.reason,
        if_version=payment.version,
    )


def _ask(payment: Payment, typed: Typed) -> Command:
    charge = payment.charge
    return FollowUpOperation(payment.id, charge.id, charge.follow_ups, True, typed.operator, typed.reason)


def _note(payment: Payment, typed: Typed) -> Command:
    note = checked_note(typed.get("note"))
    # A note does not depend on what the payment is.
    return AmendPayment(payment.id, operation_id(payment, typed), typed.operator, "note", note=note)


def _amend(payment: Payment, typed: Typed) -> Command:
    email, phone = typed.text("email", 254, required=False), typed.text("phone", 32, required=False)
    if email and ("@" not in email[1:-1] or " " in email):
        raise InvalidForm(gettext("Write the e-mail address as name@example.org."))
    if phone and not (phone.startswith("+") and phone[1:].isdecimal() and phone.isascii()):
        raise InvalidForm(gettext("Write the phone number with its country, as +79001234567."))
    metadata: dict[str, str | None] = {}
    if name := typed.text("key_name", KEYS_MAX, required=False):
        metadata[name] = typed.text("key_value", VALUE_MAX, required=False) or None
    if not (email or phone or metadata):
        raise InvalidForm(gettext("Fill in what is to be changed."))
    contact = Contact(email or None, phone or None) if email or phone else None
    return AmendPayment(
        payment.id,
        operation_id(payment, typed),
        typed.operator,
        typed.reason,
        contact,
        metadata,
        if_version=payment.version,
    )


def _block(payment: Payment, typed: Typed) -> Command:
    return AmendPayment(
        payment.id,
        operation_id(payment, typed),
        typed.operator,
        typed.reason,
        refunds_blocked=not payment.refunds_blocked,
        if_version=payment.version,
    )


def _redrive(payment: Payment, typed: Typed) -> Command:
    id = operation_id(payment, typed)
    return AmendPayment(payment.id, id, typed.operator, typed.reason, redrive=True, if_version=payment.version)


ACTIONS: Final = {
    action.name: action
    for action in (
        Action(
            "capture",
            N_("Capture"),
            N_("Take the held money, all of it or for some items."),
            Permission.MOVE_MONEY,
            _capture,
        ),
        Action(
            "void",
            N_("Void"),
            N_("Release the held money to the customer."),
            Permission.MOVE_MONEY,
            _void,
            gives_back=True,
        ),
        Action(
            "refund", N_("Refund"), N_("Give captured money back."), Permission.MOVE_MONEY, _refund, gives_back=True
        ),
        Action(
            "ask",
            N_("Ask the provider now"),
            N_("Query the provider about every order of the payment."),
            Permission.ASK,
            _ask,
        ),
        Action("note", N_("Add a note"), N_("A note for colleagues; nothing else changes."), Permission.ASK, _note),
        Action(
            "block",
            N_("Block or allow refunds"),
            N_("While refunds are blocked, every new one is refused."),
            Permission.REFUND_ABOVE,
            _block,
        ),
        Action(
            "amend",
            N_("Amend contact or metadata"),
            N_("Receipts go to the new contact from now on."),
            Permission.REFUND_ABOVE,
            _amend,
        ),
        Action(
            "redrive",
            N_("Re-drive"),
            N_("Publish the payment once more, with the access that follows from it: for consumers that missed it."),
            Permission.ASK,
            _redrive,
        ),
        Action(
            "correct",
            N_("Correct an operation"),
            N_(
                "State how an operation really ended, by the provider's console or statement. A second person approves."
            ),
            Permission.CORRECT,
            _correct,
            two_people=True,
        ),
    )
}


def _quantities(payment: Payment, typed: Typed) -> tuple[RefundLine, ...]:
    """The items that are chosen, by their place in the cart that was sold."""
    lines = []
    for place, item in enumerate(sold_cart(payment).items):
        value = typed.get(f"item-{place}")
        if value in ("", "0"):
            continue
        if not (value.isascii() and value.isdecimal() and 0 < int(value[:6]) <= item.quantity):
            raise InvalidForm(gettext("Of “%(item)s” there are %(count)s.", item=item.title, count=item.quantity))
        lines.append(RefundLine(item.product_id, int(value[:6])))
    return tuple(lines)


def _amount(text: str, currency: str) -> int:
    try:
        return from_typed(text, currency)
    except InvalidMoney as error:
        example = money(299 * 10 ** exponent(currency), currency)
        said = gettext("Write the amount as %(example)s: %(why)s.", example=example, why=retold(str(error)))
        raise InvalidForm(said) from None
