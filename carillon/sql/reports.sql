-- What happened, for people and for `carillon verify`. Status numbers are model.Status, states model.BroadcastState.

-- writable --
SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable

-- broadcasts_page --
SELECT b.*
  FROM broadcasts b
 WHERE b.broadcast_id < %(before)s
   AND (%(wedding_id)s::text IS NULL OR b.wedding_id = %(wedding_id)s)
   AND (%(supplier_id)s::text IS NULL OR b.supplier_id = %(supplier_id)s OR EXISTS (
        SELECT 1 FROM wedding_team c JOIN users s ON s.user_id = c.user_id
         WHERE c.wedding_id = b.wedding_id AND s.supplier_id = %(supplier_id)s))
 ORDER BY b.broadcast_id DESC
 LIMIT %(limit)s

-- broadcast --
SELECT b.*
  FROM broadcasts b
 WHERE b.broadcast_id = %(broadcast_id)s
   AND (%(supplier_id)s::text IS NULL OR b.supplier_id = %(supplier_id)s OR EXISTS (
        SELECT 1 FROM wedding_team c JOIN users s ON s.user_id = c.user_id
         WHERE c.wedding_id = b.wedding_id AND s.supplier_id = %(supplier_id)s))

-- counts --
SELECT status, count(*) AS people, count(*) FILTER (WHERE status IN (2, 3, 6) AND stream_offset IS NOT NULL) AS unacked
  FROM deliveries WHERE broadcast_id = %(broadcast_id)s GROUP BY status
UNION ALL
SELECT 0, count(*), 0 FROM delayed_deliveries WHERE broadcast_id = %(broadcast_id)s

-- deliveries_page --
SELECT r.user_id, u.name, coalesce(r.role, u.role) AS role, r.status, r.stream_offset, r.attempts, r.reason, r.sent_at,
       r.delivered_at, r.release_at
  FROM (SELECT user_id, role, status, stream_offset, attempts, reason, sent_at, delivered_at,
               NULL::timestamptz AS release_at
          FROM deliveries WHERE broadcast_id = %(broadcast_id)s
         UNION ALL
        SELECT d.user_id, NULL, 0, NULL, 0, NULL, NULL, NULL, d.release_at
          FROM delayed_deliveries d WHERE d.broadcast_id = %(broadcast_id)s) AS r
  LEFT JOIN users u USING (user_id)
 WHERE r.user_id > %(after)s
   AND (%(status)s::smallint IS NULL OR r.status = %(status)s)
   AND (NOT %(unacked)s OR (r.status IN (2, 3, 6) AND r.stream_offset IS NOT NULL))
 ORDER BY r.user_id
 LIMIT %(limit)s

-- verify_broadcasts --
-- A broadcast is settled when everybody was seen to and nothing of it waits on the way to a queue.
WITH counted AS (
    SELECT broadcast_id, count(*) AS recorded,
           count(*) FILTER (WHERE status = 1) AS filtered, count(*) FILTER (WHERE status = 2) AS queued,
           count(*) FILTER (WHERE status = 3) AS sent, count(*) FILTER (WHERE status = 4) AS delivered,
           count(*) FILTER (WHERE status = 5) AS expired, count(*) FILTER (WHERE status = 6) AS failed,
           count(*) FILTER (WHERE status = 7) AS canceled
      FROM deliveries WHERE broadcast_id >= %(floor)s GROUP BY broadcast_id),
late AS (
    SELECT broadcast_id, count(*) AS delayed, count(*) FILTER (WHERE released_at IS NOT NULL) AS released
      FROM delayed_deliveries WHERE broadcast_id >= %(floor)s GROUP BY broadcast_id),
waiting AS (
    SELECT DISTINCT broadcast_id FROM outbox WHERE broadcast_id >= %(floor)s AND sent_at IS NULL AND due_at <= %(now)s)
SELECT b.broadcast_id, b.name, b.state, b.failure, b.expected,
       coalesce(b.send_at > %(now)s, false) AND b.state = 0 AS scheduled,
       b.state = 0 OR w.broadcast_id IS NOT NULL OR coalesce(l.released, 0) > 0 AS pending,
       coalesce(c.recorded, 0) AS recorded, coalesce(c.filtered, 0) AS filtered, coalesce(c.queued, 0) AS queued,
       coalesce(c.sent, 0) AS sent, coalesce(c.delivered, 0) AS delivered, coalesce(c.expired, 0) AS expired,
       coalesce(c.failed, 0) AS failed, coalesce(c.canceled, 0) AS canceled, coalesce(l.delayed, 0) AS delayed
  FROM broadcasts b
  LEFT JOIN counted c USING (broadcast_id)
  LEFT JOIN late l USING (broadcast_id)
  LEFT JOIN waiting w USING (broadcast_id)
 WHERE b.broadcast_id >= %(floor)s
 ORDER BY b.broadcast_id

-- verify_lost --
-- Who was meant throughout: there before the broadcast was due, and still there, unchanged. The directory is asked
-- anew; nothing that the flow noted is taken for granted. Canceled broadcasts, and what expired, are owed to nobody.
-- A large audience counts as processed once it is cut into pieces: for a while they may still wait in the queue.
WITH due AS (
    SELECT broadcast_id, audience, wedding_id, greatest(created_at, send_at) AS base
      FROM broadcasts
     WHERE broadcast_id >= %(floor)s AND state IN (1, 3) AND (expires_at IS NULL OR expires_at > %(now)s)),
meant AS (
    SELECT b.broadcast_id, b.base, false AS paged, t.user_id
      FROM due b JOIN wedding_team t ON t.wedding_id = b.wedding_id
     WHERE b.audience ->> 'type' = 'wedding' AND t.joined_at < b.base
    UNION ALL
    SELECT b.broadcast_id, b.base, false AS paged, t.user_id
      FROM due b JOIN wedding_team t ON t.wedding_id = b.wedding_id
     WHERE b.audience ->> 'type' = 'role' AND t.updated_at < b.base AND t.role = array_position(
           ARRAY['couple', 'planner', 'vendor', 'guest'], b.audience ->> 'role') - 1
    UNION ALL
    SELECT b.broadcast_id, b.base, false, u.user_id
      FROM due b CROSS JOIN LATERAL jsonb_array_elements_text(b.audience -> 'user_ids') AS w (user_id)
      JOIN users u ON u.user_id = w.user_id AND u.created_at < b.base
     WHERE b.audience ->> 'type' = 'users'
    UNION ALL
    SELECT b.broadcast_id, b.base, true, u.user_id
      FROM due b JOIN users u ON u.created_at < b.base
     WHERE b.audience ->> 'type' = 'everyone'
    UNION ALL
    SELECT DISTINCT b.broadcast_id, b.base, true, t.user_id
      FROM due b
      JOIN segments s ON s.segment_id = b.audience ->> 'segment_id' AND s.updated_at < b.base
      JOIN wedding_team t ON t.updated_at < b.base
       AND (s.roles = '{}' OR t.role = ANY(s.roles))
       AND (s.tiers = '{}' OR t.tier = ANY(s.tiers))
       AND (s.statuses = '{}' OR t.status = ANY(s.statuses))
     WHERE b.audience ->> 'type' = 'segment')
SELECT m.broadcast_id, bool_or(m.paged AND m.base > %(settled)s) AS under_way, count(*) AS lost, (array_agg(m.user_id ORDER BY m.user_id))[1:20] AS users
  FROM meant m
  LEFT JOIN deliveries d ON d.broadcast_id = m.broadcast_id AND d.user_id = m.user_id AND d.broadcast_id >= %(floor)s
  LEFT JOIN delayed_deliveries l ON l.broadcast_id = m.broadcast_id AND l.user_id = m.user_id
 WHERE d.user_id IS NULL AND l.user_id IS NULL
 GROUP BY m.broadcast_id

-- verify_streams --
-- Every offset from the floor to the head, once. Streams that nothing in the window touched are left alone.
WITH touched AS (
    SELECT DISTINCT user_id, lane FROM deliveries WHERE broadcast_id >= %(floor)s AND stream_offset IS NOT NULL),
streams AS (
    SELECT t.user_id, t.lane, coalesce(h.head, 0) AS head, coalesce(h.floor, 0) AS floor, coalesce(h.acked, 0) AS acked,
           count(*) AS kept, count(DISTINCT d.stream_offset) AS offsets, max(d.stream_offset) AS last
      FROM touched t
      LEFT JOIN inbox_heads h USING (user_id, lane)
      JOIN deliveries d ON d.user_id = t.user_id AND d.lane = t.lane AND d.stream_offset > coalesce(h.floor, 0)
     GROUP BY 1, 2, 3, 4, 5)
SELECT user_id, lane, head, acked, last, kept - offsets AS duplicates,
       greatest(greatest(head, last) - floor - offsets, 0) AS gaps
  FROM streams
 WHERE kept <> offsets OR offsets <> head - floor OR last > head OR acked > head
 ORDER BY user_id, lane
