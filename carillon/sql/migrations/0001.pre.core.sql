-- The whole of the first release. Every statement may run again: a migration that was cut off is simply repeated.

CREATE TABLE IF NOT EXISTS meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);
-- The epoch of all inbox streams: a client that remembers another one starts over from what it acked.
INSERT INTO meta (key, value) VALUES ('inbox_epoch', substr(md5(gen_random_uuid()::text), 1, 8)) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS users (
    user_id     text PRIMARY KEY,
    name        text NOT NULL,
    role        smallint NOT NULL,
    tier        smallint NOT NULL DEFAULT 0,
    time_zone   text NOT NULL DEFAULT 'UTC',
    supplier_id text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS users_by_role ON users (role, user_id);
CREATE INDEX IF NOT EXISTS users_by_change ON users (updated_at);
CREATE INDEX IF NOT EXISTS users_by_supplier ON users (supplier_id) WHERE supplier_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS weddings (
    wedding_id text PRIMARY KEY,
    name       text NOT NULL,
    starts_at  timestamptz NOT NULL,
    time_zone  text NOT NULL,
    status     smallint NOT NULL DEFAULT 0,
    guests     integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS weddings_by_start ON weddings (starts_at);

-- `tier` and `status` are the user's and the wedding's, repeated here so that a segment is one index range (20-48 ms for
-- 10,000 people; with joins it took over a second). Triggers keep them true.
CREATE TABLE IF NOT EXISTS wedding_team (
    wedding_id text NOT NULL REFERENCES weddings ON DELETE CASCADE,
    user_id    text NOT NULL REFERENCES users ON DELETE CASCADE,
    role       smallint NOT NULL,
    tier       smallint NOT NULL DEFAULT 0,
    status     smallint NOT NULL DEFAULT 0,
    joined_at  timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wedding_id, user_id)
);
CREATE INDEX IF NOT EXISTS wedding_team_by_segment ON wedding_team (role, status, tier, user_id);
CREATE INDEX IF NOT EXISTS wedding_team_by_user ON wedding_team (user_id);
CREATE INDEX IF NOT EXISTS wedding_team_by_change ON wedding_team (updated_at);

CREATE OR REPLACE FUNCTION team_copies_tier_and_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT u.tier, w.status INTO NEW.tier, NEW.status
      FROM users u, weddings w WHERE u.user_id = NEW.user_id AND w.wedding_id = NEW.wedding_id;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER team_copies_tier_and_status BEFORE INSERT OR UPDATE ON wedding_team
    FOR EACH ROW EXECUTE FUNCTION team_copies_tier_and_status();

CREATE OR REPLACE FUNCTION team_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        UPDATE wedding_team SET updated_at = now() WHERE user_id = NEW.user_id;
    ELSE
        UPDATE wedding_team SET updated_at = now() WHERE wedding_id = NEW.wedding_id;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER team_follows_users AFTER UPDATE OF tier ON users
    FOR EACH ROW WHEN (OLD.tier IS DISTINCT FROM NEW.tier) EXECUTE FUNCTION team_follows();
CREATE OR REPLACE TRIGGER team_follows_weddings AFTER UPDATE OF status ON weddings
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION team_follows();

-- `kinds` is a bit mask over model.Kind; a person without a row has the defaults of model.Preferences.
CREATE TABLE IF NOT EXISTS preferences (
    user_id       text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    kinds         smallint NOT NULL DEFAULT 15,
    critical_only boolean NOT NULL DEFAULT false,
    realtime      boolean NOT NULL DEFAULT true,
    in_app        boolean NOT NULL DEFAULT true,
    quiet_enabled boolean NOT NULL DEFAULT false,
    quiet_start   time NOT NULL DEFAULT '22:00',
    quiet_end     time NOT NULL DEFAULT '08:00',
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- Empty arrays mean "any".
CREATE TABLE IF NOT EXISTS segments (
    segment_id text PRIMARY KEY,
    name       text NOT NULL,
    roles      smallint[] NOT NULL DEFAULT '{}',
    tiers      smallint[] NOT NULL DEFAULT '{}',
    statuses   smallint[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS broadcasts (
    broadcast_id     uuid PRIMARY KEY,
    lane             smallint NOT NULL,
    kind             smallint NOT NULL,
    name             text NOT NULL,
    data             jsonb NOT NULL,
    audience         jsonb NOT NULL,
    wedding_id       text,
    created_by       text NOT NULL,
    supplier_id      text,
    created_at       timestamptz NOT NULL,
    send_at          timestamptz,
    expires_at       timestamptz,
    escalate_after_s integer,
    escalations      smallint NOT NULL DEFAULT 0,
    state            smallint NOT NULL DEFAULT 0,
    expected         integer,
    failure          text,
    canceled_at      timestamptz,
    expiry_swept     boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS broadcasts_to_expire ON broadcasts (expires_at) WHERE NOT expiry_swept;
CREATE INDEX IF NOT EXISTS broadcasts_by_wedding ON broadcasts (wedding_id, broadcast_id) WHERE wedding_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS broadcasts_open ON broadcasts (broadcast_id) WHERE state = 0;

CREATE TABLE IF NOT EXISTS idempotency (
    principal    text NOT NULL,
    key          text NOT NULL,
    request_hash text NOT NULL,
    broadcast_id uuid NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (created_at);

CREATE TABLE IF NOT EXISTS outbox (
    outbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broadcast_id uuid NOT NULL,
    lane         smallint NOT NULL,
    group_id     text NOT NULL,
    body         text NOT NULL,
    due_at       timestamptz NOT NULL,
    sent_at      timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (due_at) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_by_group ON outbox (group_id, lane, outbox_id) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_by_broadcast ON outbox (broadcast_id);
CREATE INDEX IF NOT EXISTS outbox_by_age ON outbox (sent_at) WHERE sent_at IS NOT NULL;
-- One row to lock per (group, lane), so that two tasks cannot overtake each other on the way to the queue.
CREATE TABLE IF NOT EXISTS outbox_groups (
    group_id text NOT NULL,
    lane     smallint NOT NULL,
    PRIMARY KEY (group_id, lane)
);

CREATE TABLE IF NOT EXISTS deliveries (
    broadcast_id  uuid NOT NULL,
    user_id       text NOT NULL,
    lane          smallint NOT NULL,
    stream_offset bigint,
    status        smallint NOT NULL,
    role          smallint NOT NULL,
    realtime      boolean NOT NULL DEFAULT true,
    attempts      smallint NOT NULL DEFAULT 0,
    reason        text,
    sent_at       timestamptz,
    delivered_at  timestamptz,
    PRIMARY KEY (broadcast_id, user_id)
) PARTITION BY RANGE (broadcast_id);
CREATE INDEX IF NOT EXISTS deliveries_by_stream ON deliveries (user_id, lane, stream_offset) WHERE stream_offset IS NOT NULL;
-- Catches what no weekly partition takes (a clock that is wrong by a month), so that an insert never fails.
CREATE TABLE IF NOT EXISTS deliveries_other PARTITION OF deliveries DEFAULT;

CREATE TABLE IF NOT EXISTS inbox_heads (
    user_id text NOT NULL,
    lane    smallint NOT NULL,
    head    bigint NOT NULL DEFAULT 0,
    acked   bigint NOT NULL DEFAULT 0,
    floor   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, lane)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS delayed_deliveries (
    broadcast_id uuid NOT NULL,
    user_id      text NOT NULL,
    release_at   timestamptz NOT NULL,
    released_at  timestamptz,
    PRIMARY KEY (broadcast_id, user_id)
);
CREATE INDEX IF NOT EXISTS delayed_waiting ON delayed_deliveries (release_at) WHERE released_at IS NULL;

CREATE TABLE IF NOT EXISTS escalations (
    broadcast_id uuid PRIMARY KEY,
    due_at       timestamptz NOT NULL,
    attempt      smallint NOT NULL
);
CREATE INDEX IF NOT EXISTS escalations_due ON escalations (due_at);

-- The truth about sockets; Valkey only indexes it. `active` turns true with the first subscribe.
CREATE TABLE IF NOT EXISTS connections (
    connection_id text PRIMARY KEY,
    user_id       text NOT NULL,
    active        boolean NOT NULL DEFAULT false,
    connected_at  timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS connections_by_user ON connections (user_id);
CREATE INDEX IF NOT EXISTS connections_by_age ON connections (connected_at);
CREATE INDEX IF NOT EXISTS connections_by_expiry ON connections (expires_at);

CREATE TABLE IF NOT EXISTS dead_letters (
    message_id   text PRIMARY KEY,
    lane         smallint NOT NULL,
    broadcast_id uuid,
    reason       text NOT NULL,
    body         text NOT NULL,
    received_at  timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_by_age ON dead_letters (received_at);
