-- weddings_between --
SELECT count(*) AS weddings FROM weddings
 WHERE starts_at >= %(start)s AND starts_at < %(end)s AND status <> %(canceled)s

-- page_between --
-- Everybody who is no guest works on it. Teams are counted wedding by wedding, from an index that has the roles: joined
-- first and grouped after, the whole of wedding_team would be read for each page.
SELECT w.wedding_id, w.starts_at, w.time_zone, w.status, t.team, greatest(w.guests, t.guests) AS guests
  FROM (SELECT * FROM weddings
         WHERE starts_at >= %(start)s AND starts_at < %(end)s AND status <> %(canceled)s
           AND (starts_at, wedding_id) > (%(start)s, %(after)s)
         ORDER BY starts_at, wedding_id
         LIMIT %(limit)s) AS w
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE role <> %(guest)s) AS team, count(*) FILTER (WHERE role = %(guest)s) AS guests
         FROM wedding_team WHERE wedding_id = w.wedding_id) AS t
 ORDER BY w.starts_at, w.wedding_id

-- wedding --
SELECT w.wedding_id, w.starts_at, w.time_zone, w.status, t.team, greatest(w.guests, t.guests) AS guests
  FROM weddings w
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE role <> %(guest)s) AS team, count(*) FILTER (WHERE role = %(guest)s) AS guests
         FROM wedding_team WHERE wedding_id = w.wedding_id) AS t
 WHERE w.wedding_id = %(wedding_id)s

-- record_scaling --
INSERT INTO auto_scaling_events
       (decided_at, region, scaling_group, action, previous_size, new_size, new_maximum,
        trigger_metric, trigger_value, threshold, reason, failure, rest_size)
SELECT * FROM jsonb_to_recordset(%(events)s::jsonb) AS e (
        decided_at timestamptz, region text, scaling_group text, action text, previous_size double precision,
        new_size double precision, new_maximum double precision, trigger_metric text, trigger_value double precision,
        threshold double precision, reason text, failure text, rest_size double precision)

-- scaling_made --
SELECT decided_at, scaling_group, action, previous_size, new_size, new_maximum, trigger_metric, trigger_value, threshold,
       reason, failure, rest_size
  FROM auto_scaling_events
 WHERE region = %(region)s AND decided_at >= %(since)s AND failure = '' AND trigger_metric = ANY(%(planned)s)
 ORDER BY decided_at, event_id

-- scaling_latest --
SELECT decided_at, scaling_group, action, previous_size, new_size, new_maximum, trigger_metric, trigger_value, threshold,
       reason, failure, rest_size
  FROM auto_scaling_events
 WHERE region = %(region)s
 ORDER BY decided_at DESC, event_id DESC
 LIMIT %(limit)s

-- scaling_reacted --
SELECT scaling_group, max(decided_at) AS decided_at FROM auto_scaling_events
 WHERE region = %(region)s AND decided_at > now() - interval '1 hour' AND failure = ''
   AND trigger_metric <> ALL(%(planned)s)
 GROUP BY scaling_group
