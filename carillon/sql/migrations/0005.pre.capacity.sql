-- The database is sized in halves of a capacity unit. The release before writes whole numbers, which fit as they are, and
-- reads none. One statement, so that the table (some thousand rows a year) is written anew once; again, it does nothing.
ALTER TABLE auto_scaling_events
    ALTER COLUMN previous_size TYPE double precision,
    ALTER COLUMN new_size TYPE double precision,
    ALTER COLUMN new_maximum TYPE double precision,
    -- What stood at rest when it was decided: what a plan has cost is known by it, also after another deployment.
    ADD COLUMN IF NOT EXISTS rest_size double precision;
-- Each Region asks for its own decisions, by time.
CREATE INDEX IF NOT EXISTS auto_scaling_events_by_region ON auto_scaling_events (region, decided_at);
