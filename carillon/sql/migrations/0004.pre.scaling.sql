-- Every decision on capacity, made or refused, with its reason. `previous_size` is null where nothing was set before;
-- `new_maximum` where only the minimum moved; `threshold` where it was the calendar that decided.
CREATE TABLE IF NOT EXISTS auto_scaling_events (
    event_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decided_at     timestamptz NOT NULL,
    region         text NOT NULL,
    scaling_group  text NOT NULL,
    action         text NOT NULL,
    previous_size  integer,
    new_size       integer NOT NULL,
    new_maximum    integer,
    trigger_metric text NOT NULL,
    trigger_value  double precision NOT NULL,
    threshold      double precision,
    reason         text NOT NULL,
    failure        text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS auto_scaling_events_by_age ON auto_scaling_events (decided_at);
