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
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
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
