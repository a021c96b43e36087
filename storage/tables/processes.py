"""What the processes share: leases, runs of jobs, the state of providers, API clients."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.definition import METADATA, TIME, required

PROVIDER_SWITCHES: Final = Table(
    "provider_switches",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    required("provider", Text()),
    required("enabled", Boolean()),
    required("reason", Text()),
    required("actor", Text()),
    required("switched_at", TIME),
    Index("provider_switches_latest", "provider", text("id DESC")),
)
PROVIDER_BREAKERS: Final = Table(
    "provider_breakers",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    required("reason", Text()),
    required("opened_at", TIME),
    required("seen_at", TIME),
)
API_CLIENTS: Final = Table(
    "api_clients",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("rate_per_s", Integer),
    required("created_at", TIME),
    Column("return_hosts", ARRAY(Text)),
)
API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    required("client", Text(), ForeignKey("api_clients.name")),
    required("hash", LargeBinary()),
    required("scopes", ARRAY(Text)),
    required("created_at", TIME),
    Column("revoked_at", TIME),
    Column("last_used_at", TIME),
    UniqueConstraint("hash"),
    Index("api_keys_client", "client"),
)
PROCESS_LEASES: Final = Table(
    "process_leases",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    required("holder", Text()),
    required("version", Text()),
    required("understood", ARRAY(Text), default="'{}'"),
    required("until", TIME),
)
JOB_RUNS: Final = Table(
    "job_runs",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    required("started_at", TIME),
    Column("finished_at", TIME),
    required("counts", JSONB(), default="'{}'"),
    Column("braked_at", TIME),
    Column("brake", Text),
    Column("released_by", Text),
    Column("release_reason", Text),
)
