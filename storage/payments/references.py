"""Finds the payments that a provider's references belong to."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_BY_ID = text("SELECT id::text, payment_id FROM operations WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_BY_REF = text(
    """
    SELECT provider_ref, payment_id FROM operations
    WHERE provider_ref = ANY(:refs) AND provider_ref IS DISTINCT FROM id::text AND provider = :provider
    """
).bindparams(bindparam("refs", type_=ARRAY(Text)))
_BY_ALIAS = text(
    "SELECT alias, payment_id FROM provider_aliases WHERE provider = :provider AND alias = ANY(:refs)"
).bindparams(bindparam("refs", type_=ARRAY(Text)))


async def find_payments(connection: AsyncConnection, provider: str, references: Iterable[str]) -> dict[str, UUID]:
    """Reference → payment id, for the known ones. A reference is the id of our operation, the provider's own
    id, or another that it told of before."""
    ids: set[UUID] = set()
    refs: set[str] = set()
    for reference in references:
        try:
            ids.add(UUID(reference))
        except ValueError:
            refs.add(reference)
    found: dict[str, UUID] = {}
    if ids:
        rows = await connection.execute(_BY_ID, {"ids": sorted(ids)})
        found.update((id, payment_id) for id, payment_id in rows)
    refs |= {str(id) for id in ids} - found.keys()
    for question in (_BY_REF, _BY_ALIAS):
        if refs := refs - found.keys():
            rows = await connection.execute(question, {"refs": sorted(refs), "provider": provider})
            found.update((reference, payment_id) for reference, payment_id in rows)
    return found
