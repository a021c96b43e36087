"""People at work: accounts, how they sign in, and their trail."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.definition import METADATA, TIME, required

#: People at work. ``email``: lower case. ``created_by``: the operator who added the account. ``language``, ``zone``: in which
#: they read the panel, where they have chosen.
STAFF: Final = Table(
    "staff",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    required("name", Text()),
    required("role", Text()),
    required("created_at", TIME),
    required("created_by", Text()),
    Column("suspended_at", TIME),
    Column("language", Text),
    Column("zone", Text),
)
#: ``data``: the hash of a password, or the secret of an authenticator; ``counter``: the last time step whose code was used.
STAFF_CREDENTIALS: Final = Table(
    "staff_credentials",
    METADATA,
    Column("staff_id", Uuid, ForeignKey("staff.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    required("data", LargeBinary()),
    Column("counter", BigInteger),
    required("created_at", TIME),
)
#: Links with which a person chooses a password, once. ``token_hash``: SHA-256, here and of sessions.
STAFF_LINKS: Final = Table(
    "staff_links",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    required("staff_id", Uuid(), ForeignKey("staff.id")),
    required("created_at", TIME),
    required("expires_at", TIME),
    Column("ended_at", TIME),
    Index("staff_links_of", "staff_id"),
)
#: Whom an OpenID provider knows as ``subject``.
STAFF_IDENTITIES: Final = Table(
    "staff_identities",
    METADATA,
    Column("staff_id", Uuid, ForeignKey("staff.id"), primary_key=True),
    Column("issuer", Text, primary_key=True),
    required("subject", Text()),
    required("linked_at", TIME),
    UniqueConstraint("issuer", "subject"),
)
STAFF_PASSKEYS: Final = Table(
    "staff_passkeys",
    METADATA,
    Column("id", Uuid, primary_key=True),
    required("staff_id", Uuid(), ForeignKey("staff.id")),
    required("name", Text()),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    required("public_key", LargeBinary()),
    required("sign_count", BigInteger()),
    required("created_at", TIME),
    Column("last_used_at", TIME),
    Index("staff_passkeys_of", "staff_id"),
)
#: What a passkey is asked to sign, once. ``challenge_hash``: SHA-256.
STAFF_CHALLENGES: Final = Table(
    "staff_challenges",
    METADATA,
    Column("challenge_hash", LargeBinary, primary_key=True),
    required("staff_id", Uuid(), ForeignKey("staff.id")),
    required("purpose", Text()),
    required("expires_at", TIME),
    Index("staff_challenges_expire", "expires_at"),
)
#: ``role_at_most``: the ceiling that the OpenID provider set to the person's role.
STAFF_SESSIONS: Final = Table(
    "staff_sessions",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    required("staff_id", Uuid(), ForeignKey("staff.id")),
    required("created_at", TIME),
    required("seen_at", TIME),
    required("authenticated_at", TIME),
    required("expires_at", TIME),
    required("address", Text()),
    required("agent", Text()),
    Column("ended_at", TIME),
    Column("role_at_most", Text),
    Index("staff_sessions_of", "staff_id", postgresql_where=text("ended_at IS NULL")),
)
#: Failed attempts to sign in. ``subject``: SHA-256 of the account or the address.
SIGN_IN_ATTEMPTS: Final = Table(
    "sign_in_attempts",
    METADATA,
    Column("subject", LargeBinary, primary_key=True),
    required("failures", Integer()),
    required("last_at", TIME),
    Column("blocked_until", TIME),
    Index("sign_in_attempts_last", "last_at"),
)
#: What people saw and did, never changed. A trigger gives ``id``, ``prev_hash`` and ``hash``.
STAFF_TRAIL: Final = Table(
    "staff_trail",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    required("at", TIME),
    Column("staff_id", Uuid),
    required("who", Text()),
    Column("role", Text),
    Column("session", Text),
    Column("address", Text),
    required("kind", Text()),
    required("subject_kind", Text()),
    required("subject_id", Text()),
    Column("reason", Text),
    required("detail", JSONB()),
    Column("prev_hash", LargeBinary),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Index("staff_trail_subject", "subject_kind", "subject_id", text("id DESC")),
    Index("staff_trail_person", "staff_id", text("id DESC")),
    Index("staff_trail_commands", "staff_id", "at", postgresql_where=text("kind = 'command'")),
)
