"""The workspace's schema, the same on SQLite and PostgreSQL.

Columns are named like the fields of the records they keep. The schema of a workspace is made and
changed by the migrations; a test holds that they lead to this.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


def _id() -> Column[str]:
    return Column("id", String(128), primary_key=True)


def _to(name: str, table: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, ForeignKey(f"{table}.id"), nullable=nullable, index=True)


clips = Table(
    "clips",
    metadata,
    _id(),
    Column("identity", Text, index=True),
    Column("scene", Text),
    Column("origin", String(16), nullable=False),
    Column("suffix", String(16), nullable=False),
    Column("duration", Double),
    Column("fps", Double),
    Column("width", Integer),
    Column("height", Integer),
    Column("created", String(40), nullable=False),
)

backgrounds = Table(
    "backgrounds",
    metadata,
    _id(),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("created", String(40), nullable=False),
)

arrays = Table(
    "arrays",
    metadata,
    _id(),
    Column("identity", Text, index=True),
    _to("clip", "clips", nullable=True),
    Column("created", String(40), nullable=False),
)

conditions = Table(
    "conditions",
    metadata,
    _id(),
    _to("driving", "clips"),
    Column("references", JSON, nullable=False),
    _to("background", "backgrounds"),
    Column("prompt", Text, nullable=False),
    _to("target", "clips", nullable=True),
)

runs = Table(
    "runs",
    metadata,
    _id(),
    Column("kind", String(64), nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("seeds", JSON, nullable=False),
    Column("commit", String(64), nullable=False),
    Column("dataset_hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created", String(40), nullable=False),
    Column("parent", String(128), index=True),
    Column("identities", JSON, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _id(),
    _to("run", "runs", nullable=True),
    Column("step", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("preset", Text, nullable=False),
    Column("forgotten", JSON, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    _id(),
    _to("clip", "clips"),
    _to("condition", "conditions"),
    _to("checkpoint", "checkpoints"),
    Column("seed", BigInteger, nullable=False),
    Column("sampler", JSON, nullable=False),
    _to("latents", "arrays", nullable=True),
)

scores = Table(
    "scores",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    _to("clip", "clips"),
    Column("reward", String(64), nullable=False, index=True),
    Column("value", Double),
    Column("reason", Text),
    Column("version", String(64), nullable=False),
    Column("weights", String(64), nullable=False),
    _to("condition", "conditions", nullable=True),
    Column("created", String(40), nullable=False),
)

pairs = Table(
    "pairs",
    metadata,
    _id(),
    _to("condition", "conditions"),
    _to("winner", "samples"),
    _to("loser", "samples"),
    Column("margin", Double, nullable=False),
    Column("weight", Double, nullable=False),
    Column("source", Text, nullable=False),
    Column("scores", JSON, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    _id(),
    Column("identity", Text, nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("until", String(40)),
    Column("created", String(40), nullable=False),
)

tombstones = Table(
    "tombstones",
    metadata,
    _id(),
    Column("created", String(40), nullable=False),
    Column("clips", Integer, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("checkpoints", Integer, nullable=False),
)

raters = Table(
    "raters",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("id", String(128), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("standing", String(16), nullable=False),
    Column("account", Text, nullable=False, index=True),
    Column("note", Text, nullable=False),
    Column("created", String(40), nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    _id(),
    Column("layout", String(64), nullable=False),
    Column("dimensions", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("created", String(40), nullable=False),
)

# Clips and samples are named without a foreign key: a judgement outlives what was forgotten.
comparisons = Table(
    "comparisons",
    metadata,
    _id(),
    _to("campaign", "campaigns"),
    Column("condition", String(128), nullable=False, index=True),
    Column("first", String(128), nullable=False, index=True),
    Column("second", String(128), nullable=False, index=True),
    Column("samples", JSON, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("expected", JSON, nullable=False),
    Column("chance", Double, nullable=False),
    Column("draw", Integer, nullable=False),
)

assignments = Table(
    "assignments",
    metadata,
    _id(),
    _to("comparison", "comparisons"),
    Column("rater", String(128), nullable=False, index=True),
    Column("left", String(8), nullable=False),
    Column("chance", Double, nullable=False),
    Column("place", Integer, nullable=False),
    Column("media", String(128), nullable=False),
    Column("reference", String(128), nullable=False),
    Column("created", String(40), nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("server", Text, nullable=False),
    Column("annotation", BigInteger, nullable=False, index=True),
    Column("task", BigInteger, nullable=False),
    Column("assignment", String(128), nullable=False, index=True),
    Column("updated", String(40), nullable=False),
    Column("body", JSON),
    Column("way", String(16), nullable=False),
    Column("created", String(40), nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("assignment", String(128), nullable=False, index=True),
    Column("comparison", String(128), nullable=False, index=True),
    Column("rater", String(128), nullable=False, index=True),
    Column("dimension", String(64), nullable=False),
    Column("choice", String(16)),
    Column("strength", Integer),
    Column("flags", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("seconds", Double),
    Column("delivery", String(64)),
    Column("reason", Text),
    Column("created", String(40), nullable=False),
    UniqueConstraint("delivery", "assignment", "rater", "dimension"),
)

audit = Table(
    "audit",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("event", String(32), nullable=False),
    Column("subject", String(128), nullable=False, index=True),
    Column("told", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created", String(40), nullable=False),
)
