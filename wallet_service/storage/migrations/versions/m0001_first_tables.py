"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "google_callbacks",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_google_callbacks")),
    )
    op.create_table(
        "template_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("archive", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_versions")),
        sa.UniqueConstraint("digest", name=op.f("uq_template_versions_digest")),
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker_heartbeats")),
    )
    op.create_table(
        "programs",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("pass_type_id", sa.Text(), nullable=True),
        sa.Column("template_version_id", sa.BigInteger(), nullable=False),
        sa.Column("places_revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["template_version_id"], ["template_versions.id"], name=op.f("fk_programs_template_version_id")
        ),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_programs")),
        sa.UniqueConstraint("pass_type_id", name=op.f("uq_programs_pass_type_id")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_digest", sa.Text(), nullable=False),
        sa.Column("shown_prefix", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_api_keys_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_api_keys_key_digest")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_campaigns_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_table(
        "change_counters",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_change_counters_program_id")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_change_counters")),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("device_library_id", sa.Text(), nullable=False),
        sa.Column("push_token", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_devices_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("device_library_id", "program_id", name=op.f("uq_devices_device_library_id_program_id")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("answer", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_idempotency_keys_program_id")),
        sa.PrimaryKeyConstraint("program_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "inbox_events",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_inbox_events_program_id")),
        sa.PrimaryKeyConstraint("program_id", "source", "event_id", name=op.f("pk_inbox_events")),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("birthday", sa.Date(), nullable=True),
        sa.Column("card_number", sa.Text(), nullable=False),
        sa.Column("favourite_store_id", sa.Text(), nullable=True),
        sa.Column("home_latitude", sa.Double(), nullable=True),
        sa.Column("home_longitude", sa.Double(), nullable=True),
        sa.Column(
            "consents",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "attributes",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_members_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("program_id", "member_id", name=op.f("uq_members_program_id_member_id")),
    )
    op.create_index("uq_members_card_number", "members", ["program_id", "card_number"], unique=True)
    op.create_table(
        "offers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column(
            "text",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "proximity_text",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("store_ids", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "target",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("radius_m", sa.BigInteger(), nullable=True),
        sa.Column("uses_per_member", sa.BigInteger(), nullable=True),
        sa.Column("uses_total", sa.BigInteger(), nullable=True),
        sa.Column("priority", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("notify", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'published', 'cancelled')", name=op.f("ck_offers_state")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_offers_span")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_offers_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
        sa.UniqueConstraint("program_id", "code", name=op.f("uq_offers_program_id_code")),
    )
    op.create_table(
        "program_secrets",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_program_secrets_program_id")),
        sa.PrimaryKeyConstraint("program_id", "kind", name=op.f("pk_program_secrets")),
    )
    op.create_table(
        "stores",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column(
            "address",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "opening_hours",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "proximity_text",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("beacons", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_stores_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stores")),
        sa.UniqueConstraint("program_id", "store_id", name=op.f("uq_stores_program_id_store_id")),
    )
    op.create_table(
        "balances",
        sa.Column("member_pk", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("tier_points", sa.BigInteger(), nullable=True),
        sa.Column("stamps", sa.BigInteger(), nullable=True),
        sa.Column("cashback", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("vouchers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("badges", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "lines",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["member_pk"], ["members.id"], name=op.f("fk_balances_member_pk"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("member_pk", name=op.f("pk_balances")),
    )
    op.create_table(
        "cards",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_pk", sa.BigInteger(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("auth_token", sa.Text(), nullable=False),
        sa.Column("link_token", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("digest", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("template_version_id", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recompose_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_version", sa.BigInteger(), nullable=True),
        sa.Column("fetched_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('active', 'void')", name=op.f("ck_cards_state")),
        sa.ForeignKeyConstraint(["member_pk"], ["members.id"], name=op.f("fk_cards_member_pk"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_cards_program_id")),
        sa.ForeignKeyConstraint(
            ["template_version_id"], ["template_versions.id"], name=op.f("fk_cards_template_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
        sa.UniqueConstraint("link_token", name=op.f("uq_cards_link_token")),
        sa.UniqueConstraint("member_pk", name=op.f("uq_cards_member_pk")),
        sa.UniqueConstraint("serial_number", name=op.f("uq_cards_serial_number")),
    )
    op.create_index("ix_cards_program_id", "cards", ["program_id", "id"], unique=False)
    op.create_index(
        "ix_cards_recompose_at",
        "cards",
        ["recompose_at"],
        unique=False,
        postgresql_where=sa.text("recompose_at IS NOT NULL"),
    )
    op.create_table(
        "card_versions",
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("composed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_card_versions_card_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("card_id", "version", name=op.f("pk_card_versions")),
    )
    op.create_index("ix_card_versions_composed_at", "card_versions", ["composed_at"], unique=False)
    op.create_table(
        "google_objects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_google_objects_card_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_objects")),
        sa.UniqueConstraint("card_id", name=op.f("uq_google_objects_card_id")),
        sa.UniqueConstraint("object_id", name=op.f("uq_google_objects_object_id")),
    )
    op.create_table(
        "past_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("far_end", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_answer", sa.Text(), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_past_deliveries_card_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_deliveries")),
    )
    op.create_index("ix_past_deliveries_card_id", "past_deliveries", ["card_id", "version"], unique=False)
    op.create_index("ix_past_deliveries_superseded_at", "past_deliveries", ["superseded_at"], unique=False)
    op.create_table(
        "registrations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_registrations_card_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_registrations_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sa.UniqueConstraint("device_id", "card_id", name=op.f("uq_registrations_device_id_card_id")),
    )
    op.create_index("ix_registrations_card_id", "registrations", ["card_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("registration_id", sa.BigInteger(), nullable=True),
        sa.Column("google_object_id", sa.BigInteger(), nullable=True),
        sa.Column("wanted_version", sa.BigInteger(), nullable=False),
        sa.Column("wanted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_answer", sa.Text(), nullable=True),
        sa.Column("again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("repeats", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stale_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("urgency", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim", sa.Text(), nullable=True),
        sa.Column("last_outcome", sa.Text(), nullable=True),
        sa.Column("parked", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'apple') = (registration_id IS NOT NULL) AND (kind = 'google') = (google_object_id IS NOT NULL)",
            name=op.f("ck_deliveries_one_far_end"),
        ),
        sa.CheckConstraint("kind IN ('apple', 'google')", name=op.f("ck_deliveries_kind")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_deliveries_card_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["google_object_id"], ["google_objects.id"], name=op.f("fk_deliveries_google_object_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_deliveries_program_id")),
        sa.ForeignKeyConstraint(
            ["registration_id"], ["registrations.id"], name=op.f("fk_deliveries_registration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("google_object_id", name=op.f("uq_deliveries_google_object_id")),
        sa.UniqueConstraint("registration_id", name=op.f("uq_deliveries_registration_id")),
    )
    op.create_index(
        "ix_deliveries_again_at",
        "deliveries",
        ["again_at"],
        unique=False,
        postgresql_where=sa.text("again_at IS NOT NULL"),
    )
    op.create_index("ix_deliveries_card_id", "deliveries", ["card_id"], unique=False)
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["kind", "program_id", "urgency", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("wanted_version > told_version AND parked IS NULL"),
    )
    op.create_index(
        "ix_deliveries_parked",
        "deliveries",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("parked IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_stale",
        "deliveries",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("stale_at IS NOT NULL"),
    )
    _make_job_queue()


def _make_job_queue() -> None:
    """Procrastinate's own tables, as the pinned release (3.10) ships them."""
    driver = op.get_bind().connection.driver_connection
    driver.execute(SchemaManager.get_schema())  # type: ignore[union-attr]
