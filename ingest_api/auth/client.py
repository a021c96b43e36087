"""The API client of a request, as a parameter of an endpoint: admitted by key, scope and rate."""

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from billing.access.scopes import Scope
from ingest_api.dependencies import Injected

#: Documents the scheme; the key itself is checked by :class:`~ingest_api.auth.key_ring.KeyRing`.
_scheme: Final = HTTPBearer(scheme_name="api_key", auto_error=False)
_Documented = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]


async def reading_client(request: Request, dependencies: Injected, _key: _Documented) -> str:
    """The client's name; 401, 403 or 429 unless it may read payments now."""
    return dependencies.admission.admit(request, Scope.PAYMENTS_READ)


async def writing_client(request: Request, dependencies: Injected, _key: _Documented) -> str:
    """The client's name; 401, 403 or 429 unless it may write payments now."""
    return dependencies.admission.admit(request, Scope.PAYMENTS_WRITE)


async def subscriptions_reader(request: Request, dependencies: Injected, _key: _Documented) -> str:
    """The client's name; 401, 403 or 429 unless it may read subscriptions now."""
    return dependencies.admission.admit(request, Scope.SUBSCRIPTIONS_READ)


async def subscriptions_writer(request: Request, dependencies: Injected, _key: _Documented) -> str:
    """The client's name; 401, 403 or 429 unless it may write subscriptions now."""
    return dependencies.admission.admit(request, Scope.SUBSCRIPTIONS_WRITE)


async def administrator(request: Request, dependencies: Injected, _key: _Documented) -> str:
    """The client's name; 401, 403 or 429 unless it may do what operators do."""
    return dependencies.admission.admit(request, Scope.ADMIN)


ReadingClient = Annotated[str, Depends(reading_client)]
WritingClient = Annotated[str, Depends(writing_client)]
SubscriptionsReader = Annotated[str, Depends(subscriptions_reader)]
SubscriptionsWriter = Annotated[str, Depends(subscriptions_writer)]
Administrator = Annotated[str, Depends(administrator)]
