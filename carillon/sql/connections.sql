-- pend --
INSERT INTO connections (connection_id, user_id, connected_at, expires_at)
SELECT %(connection_id)s, user_id, %(now)s, %(expires_at)s FROM users WHERE user_id = %(user_id)s
ON CONFLICT (connection_id) DO UPDATE SET user_id = excluded.user_id
RETURNING connection_id

-- activate --
UPDATE connections SET active = true WHERE connection_id = %(connection_id)s RETURNING user_id

-- deactivate --
UPDATE connections SET active = false WHERE connection_id = %(connection_id)s RETURNING user_id

-- owner --
SELECT user_id FROM connections WHERE connection_id = %(connection_id)s

-- extend --
UPDATE connections SET expires_at = %(expires_at)s WHERE connection_id = %(connection_id)s

-- remove --
DELETE FROM connections WHERE connection_id = ANY(%(ids)s) RETURNING connection_id, user_id

-- active --
SELECT connection_id, user_id FROM connections WHERE user_id = ANY(%(users)s) AND active

-- stale --
(SELECT connection_id, user_id FROM connections WHERE expires_at <= %(now)s LIMIT %(limit)s)
UNION
(SELECT connection_id, user_id FROM connections WHERE connected_at <= %(opened_before)s LIMIT %(limit)s)

-- epoch --
SELECT value AS epoch FROM meta WHERE key = 'inbox_epoch'

-- heads --
SELECT m.value AS epoch, h.lane, h.head, h.acked, h.floor
  FROM meta m LEFT JOIN inbox_heads h ON h.user_id = %(user_id)s
 WHERE m.key = 'inbox_epoch'

-- events --
SELECT page.*, b.name, b.kind, b.data, b.created_at, b.expires_at, b.wedding_id, b.state, b.escalations
  FROM unnest(%(lanes)s::smallint[], %(after)s::bigint[]) AS want (lane, after)
 CROSS JOIN LATERAL (
       SELECT d.lane, d.stream_offset, d.broadcast_id, d.status FROM deliveries d
        WHERE d.user_id = %(user_id)s AND d.lane = want.lane AND d.stream_offset > want.after
        ORDER BY d.stream_offset LIMIT %(limit)s) AS page
  JOIN broadcasts b USING (broadcast_id)
 ORDER BY page.lane, page.stream_offset
 LIMIT %(limit)s

-- ack --
WITH wanted AS (
    SELECT c.user_id, w.lane, w.upto
      FROM connections c, unnest(%(lanes)s::smallint[], %(offsets)s::bigint[]) AS w (lane, upto)
     WHERE c.connection_id = %(connection_id)s
       AND %(epoch)s = (SELECT value FROM meta WHERE key = 'inbox_epoch')),
heads AS MATERIALIZED (
    SELECT h.user_id, h.lane, h.acked AS was, least(h.head, greatest(h.acked, w.upto)) AS upto
      FROM inbox_heads h JOIN wanted w USING (user_id, lane)
     ORDER BY h.user_id, h.lane
       FOR UPDATE OF h),
moved AS (
    UPDATE inbox_heads h SET acked = heads.upto FROM heads
     WHERE h.user_id = heads.user_id AND h.lane = heads.lane AND heads.upto > heads.was),
got AS (
    UPDATE deliveries d SET status = 4, delivered_at = %(now)s FROM heads
     WHERE d.user_id = heads.user_id AND d.lane = heads.lane
       AND d.stream_offset > heads.was AND d.stream_offset <= heads.upto AND d.status IN (2, 3, 6))
SELECT c.user_id, heads.lane, heads.upto
  FROM connections c LEFT JOIN heads ON heads.user_id = c.user_id
 WHERE c.connection_id = %(connection_id)s
