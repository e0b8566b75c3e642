-- pend --
INSERT INTO connections (connection_id, user_id, connected_at, expires_at, region)
SELECT %(connection_id)s, user_id, %(now)s, %(expires_at)s, %(region)s FROM users WHERE user_id = %(user_id)s
ON CONFLICT (connection_id) DO UPDATE SET user_id = excluded.user_id, region = excluded.region
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
-- `here` is NULL where there is one Region: then every socket is this one's.
SELECT connection_id, user_id FROM connections
 WHERE user_id = ANY(%(users)s) AND active AND (%(here)s::text IS NULL OR region = %(here)s)

-- elsewhere --
SELECT DISTINCT user_id FROM connections WHERE user_id = ANY(%(users)s) AND active AND region = %(peer)s

-- count --
SELECT count(*) AS sockets FROM connections WHERE active AND (%(here)s::text IS NULL OR region = %(here)s)

-- stale --
(SELECT connection_id, user_id FROM connections
  WHERE expires_at <= %(now)s AND (%(here)s::text IS NULL OR region = %(here)s) LIMIT %(limit)s)
UNION
(SELECT connection_id, user_id FROM connections
  WHERE connected_at <= %(opened_before)s AND (%(here)s::text IS NULL OR region = %(here)s) LIMIT %(limit)s)

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
SELECT acked_lane AS lane, acked_upto AS upto
  FROM ack_inbox(%(connection_id)s, %(epoch)s, %(lanes)s::smallint[], %(offsets)s::bigint[], %(now)s)
