-- broadcast_for_share --
SELECT state, expires_at, (SELECT value FROM meta WHERE key = 'inbox_epoch') AS epoch
  FROM broadcasts WHERE broadcast_id = %(broadcast_id)s FOR SHARE

-- record_queued --
-- Nothing is locked as long as somebody's head is missing: locking some heads, adding others and locking again would
-- break the one order in which all consumers lock, and with it the promise of no deadlocks.
WITH wanted AS (
    SELECT * FROM unnest(%(users)s::text[], %(roles)s::smallint[], %(realtime)s::boolean[]) AS w (user_id, role, realtime)
     WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.broadcast_id = %(broadcast_id)s AND d.user_id = w.user_id)),
missing AS MATERIALIZED (
    SELECT count(*) AS people FROM wanted
     WHERE NOT EXISTS (SELECT 1 FROM inbox_heads h WHERE h.user_id = wanted.user_id AND h.lane = %(lane)s)),
heads AS MATERIALIZED (
    SELECT user_id, head FROM inbox_heads
     WHERE lane = %(lane)s AND user_id IN (SELECT user_id FROM wanted) AND (SELECT people FROM missing) = 0
     ORDER BY user_id
       FOR UPDATE),
fresh AS (
    INSERT INTO deliveries (broadcast_id, user_id, lane, stream_offset, status, role, realtime)
    SELECT %(broadcast_id)s, user_id, %(lane)s, head + 1, 2, role, realtime
      FROM heads JOIN wanted USING (user_id)
    ON CONFLICT DO NOTHING
    RETURNING user_id),
bumped AS (
    UPDATE inbox_heads SET head = head + 1
      FROM fresh WHERE inbox_heads.user_id = fresh.user_id AND inbox_heads.lane = %(lane)s
    RETURNING 1)
SELECT (SELECT count(*) FROM wanted) AS wanted, (SELECT count(*) FROM heads) AS heads, (SELECT count(*) FROM fresh) AS fresh,
       (SELECT count(*) FROM bumped) AS bumped

-- add_heads --
INSERT INTO inbox_heads (user_id, lane)
SELECT DISTINCT user_id, %(lane)s::smallint FROM unnest(%(users)s::text[]) AS u (user_id) ORDER BY user_id
ON CONFLICT DO NOTHING

-- record_other --
INSERT INTO deliveries (broadcast_id, user_id, lane, status, role, reason)
SELECT %(broadcast_id)s, user_id, %(lane)s, status, role, reason
  FROM unnest(%(users)s::text[], %(roles)s::smallint[], %(statuses)s::smallint[], %(reasons)s::text[])
       AS w (user_id, role, status, reason)
 ORDER BY user_id
ON CONFLICT DO NOTHING

-- record_delayed --
INSERT INTO delayed_deliveries (broadcast_id, user_id, release_at)
SELECT %(broadcast_id)s, w.user_id, w.release_at
  FROM unnest(%(users)s::text[], %(release_at)s::timestamptz[]) AS w (user_id, release_at)
 WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.broadcast_id = %(broadcast_id)s AND d.user_id = w.user_id)
 ORDER BY w.user_id
ON CONFLICT (broadcast_id, user_id) DO UPDATE SET release_at = excluded.release_at, released_at = NULL

-- end_delay --
DELETE FROM delayed_deliveries WHERE broadcast_id = %(broadcast_id)s AND user_id = ANY(%(users)s)

-- rows --
SELECT broadcast_id, user_id, lane, stream_offset, status, attempts, role, realtime
  FROM deliveries WHERE broadcast_id = %(broadcast_id)s AND user_id = ANY(%(users)s)

-- settle_sent --
UPDATE deliveries SET status = 3, sent_at = coalesce(sent_at, %(now)s), attempts = attempts + 1
 WHERE broadcast_id = %(broadcast_id)s AND user_id = ANY(%(users)s) AND status IN (2, 6)

-- settle_tried --
-- Who has acked on one device stays `delivered`, and the other device is worth another attempt all the same.
UPDATE deliveries
   SET attempts = attempts + 1,
       status = CASE WHEN status = 2 AND attempts + 1 >= %(most)s THEN 6 ELSE status END,
       reason = CASE WHEN status = 2 AND attempts + 1 >= %(most)s THEN 'attempts' ELSE reason END
 WHERE broadcast_id = %(broadcast_id)s AND user_id = ANY(%(users)s) AND status IN (2, 4)
RETURNING attempts

-- unacked --
SELECT broadcast_id, user_id, lane, stream_offset, status, attempts, role, realtime
  FROM deliveries
 WHERE broadcast_id = %(broadcast_id)s AND user_id > %(after)s AND status IN (2, 3, 6) AND stream_offset IS NOT NULL
 ORDER BY user_id LIMIT %(limit)s

-- fail --
UPDATE deliveries SET status = 6, reason = %(reason)s WHERE broadcast_id = %(broadcast_id)s AND status = 2

-- dead_letter --
INSERT INTO dead_letters (message_id, lane, broadcast_id, reason, body, received_at)
VALUES (%(message_id)s, %(lane)s, %(broadcast_id)s, %(reason)s, %(body)s, %(now)s) ON CONFLICT DO NOTHING
