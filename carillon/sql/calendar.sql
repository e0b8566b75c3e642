-- weddings_between --
SELECT count(*) AS weddings FROM weddings
 WHERE starts_at >= %(start)s AND starts_at < %(end)s AND status <> %(canceled)s

-- record_scaling --
INSERT INTO auto_scaling_events
       (decided_at, region, scaling_group, action, previous_size, new_size, new_maximum,
        trigger_metric, trigger_value, threshold, reason, failure)
SELECT * FROM jsonb_to_recordset(%(events)s::jsonb) AS e (
        decided_at timestamptz, region text, scaling_group text, action text, previous_size integer, new_size integer,
        new_maximum integer, trigger_metric text, trigger_value double precision, threshold double precision,
        reason text, failure text)
