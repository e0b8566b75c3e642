-- insert --
INSERT INTO broadcasts (broadcast_id, lane, kind, name, data, audience, wedding_id, created_by, supplier_id, created_at,
                        send_at, expires_at, escalate_after_s)
VALUES (%(broadcast_id)s, %(lane)s, %(kind)s, %(name)s, %(data)s, %(audience)s, %(wedding_id)s, %(created_by)s,
        %(supplier_id)s, %(created_at)s, %(send_at)s, %(expires_at)s, %(escalate_after_s)s)

-- insert_outbox --
INSERT INTO outbox (broadcast_id, lane, group_id, body, due_at, region)
VALUES (%(broadcast_id)s, %(lane)s, %(group_id)s, %(body)s, %(due_at)s, %(region)s)

-- insert_group --
INSERT INTO outbox_groups (group_id, lane) VALUES (%(group_id)s, %(lane)s) ON CONFLICT DO NOTHING

-- insert_escalation --
INSERT INTO escalations (broadcast_id, due_at, attempt) VALUES (%(broadcast_id)s, %(due_at)s, 2) ON CONFLICT DO NOTHING

-- claim_key --
INSERT INTO idempotency (principal, key, request_hash, broadcast_id, created_at)
VALUES (%(principal)s, %(key)s, %(request_hash)s, %(broadcast_id)s, %(now)s)
ON CONFLICT (principal, key) DO UPDATE
   SET request_hash = excluded.request_hash, broadcast_id = excluded.broadcast_id, created_at = excluded.created_at
 WHERE idempotency.created_at < excluded.created_at - interval '24 hours'
RETURNING broadcast_id

-- read_key --
SELECT request_hash, broadcast_id FROM idempotency WHERE principal = %(principal)s AND key = %(key)s

-- get --
SELECT * FROM broadcasts WHERE broadcast_id = %(broadcast_id)s

-- get_for_update --
SELECT * FROM broadcasts WHERE broadcast_id = %(broadcast_id)s FOR UPDATE

-- finish --
-- A failure stays on record, whatever else of the broadcast goes well after it.
UPDATE broadcasts
   SET state = CASE WHEN state IN (2, 3) THEN state ELSE %(state)s END,
       expected = coalesce(%(expected)s, expected),
       failure = coalesce(%(failure)s, failure)
 WHERE broadcast_id = %(broadcast_id)s

-- cancel --
UPDATE broadcasts SET state = 2, canceled_at = %(now)s WHERE broadcast_id = %(broadcast_id)s

-- cancel_deliveries --
UPDATE deliveries SET status = 7 WHERE broadcast_id = %(broadcast_id)s AND status = 2

-- cancel_delayed --
WITH gone AS (DELETE FROM delayed_deliveries WHERE broadcast_id = %(broadcast_id)s RETURNING user_id)
INSERT INTO deliveries (broadcast_id, user_id, lane, status, role)
SELECT %(broadcast_id)s, gone.user_id, %(lane)s, 7, coalesce(users.role, 3)
  FROM gone LEFT JOIN users USING (user_id)
ON CONFLICT DO NOTHING

-- anybody_holds --
SELECT EXISTS (SELECT 1 FROM deliveries WHERE broadcast_id = %(broadcast_id)s AND stream_offset IS NOT NULL) AS held

-- lock_group --
SELECT 1 FROM outbox_groups WHERE group_id = %(group_id)s AND lane = %(lane)s FOR UPDATE

-- due_in_group --
SELECT outbox_id, broadcast_id, lane, group_id, body, region
  FROM outbox
 WHERE group_id = %(group_id)s AND lane = %(lane)s AND sent_at IS NULL AND due_at <= %(now)s
 ORDER BY outbox_id
 LIMIT %(limit)s
   FOR UPDATE

-- mark_sent --
UPDATE outbox SET sent_at = %(now)s WHERE outbox_id = ANY(%(ids)s)

-- waiting --
SELECT group_id, lane
  FROM outbox
 WHERE sent_at IS NULL AND due_at <= %(now)s
 GROUP BY group_id, lane
 ORDER BY lane, min(outbox_id)
 LIMIT %(limit)s

-- overdue --
SELECT coalesce(extract(epoch FROM %(now)s - min(due_at)), 0) AS overdue_s
  FROM outbox
 WHERE sent_at IS NULL AND due_at <= %(now)s

-- release_delayed --
UPDATE delayed_deliveries AS d SET released_at = %(now)s
  FROM (SELECT broadcast_id, user_id FROM delayed_deliveries
         WHERE released_at IS NULL AND release_at <= %(now)s
         ORDER BY release_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
 WHERE d.broadcast_id = due.broadcast_id AND d.user_id = due.user_id
RETURNING d.broadcast_id, d.user_id

-- lanes_of --
SELECT broadcast_id, lane, audience FROM broadcasts WHERE broadcast_id = ANY(%(ids)s)

-- due_escalations --
SELECT e.broadcast_id, e.attempt, b.lane, b.state, b.escalate_after_s, b.expires_at, b.audience
  FROM escalations e JOIN broadcasts b USING (broadcast_id)
 WHERE e.due_at <= %(now)s ORDER BY e.due_at LIMIT %(limit)s
   FOR UPDATE OF e SKIP LOCKED

-- anybody_unacked --
SELECT EXISTS (SELECT 1 FROM deliveries WHERE broadcast_id = %(broadcast_id)s AND status IN (2, 3, 6)
                  AND stream_offset IS NOT NULL) AS unacked

-- next_escalation --
UPDATE escalations SET due_at = %(due_at)s, attempt = attempt + 1 WHERE broadcast_id = %(broadcast_id)s

-- end_escalation --
DELETE FROM escalations WHERE broadcast_id = %(broadcast_id)s

-- note_escalation --
UPDATE broadcasts SET escalations = %(attempt)s WHERE broadcast_id = %(broadcast_id)s

-- expire --
WITH due AS (
    UPDATE broadcasts SET expiry_swept = true
     WHERE broadcast_id IN (SELECT broadcast_id FROM broadcasts
                             WHERE NOT expiry_swept AND expires_at <= %(now)s
                             ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING broadcast_id, lane),
late AS (DELETE FROM delayed_deliveries d USING due WHERE d.broadcast_id = due.broadcast_id
         RETURNING d.broadcast_id, d.user_id, due.lane),
never AS (INSERT INTO deliveries (broadcast_id, user_id, lane, status, role)
          SELECT late.broadcast_id, late.user_id, late.lane, 5, coalesce(users.role, 3)
            FROM late LEFT JOIN users USING (user_id) ON CONFLICT DO NOTHING)
UPDATE deliveries d SET status = 5 FROM due WHERE d.broadcast_id = due.broadcast_id AND d.status = 2

-- requeue --
UPDATE outbox o SET sent_at = NULL, due_at = greatest(o.due_at, %(since)s)
  FROM broadcasts b
 WHERE b.broadcast_id = o.broadcast_id AND o.sent_at >= %(since)s AND b.state IN (0, 1)
   AND (b.state = 0 OR b.expected IS NULL OR b.expected >
        (SELECT count(*) FROM deliveries d WHERE d.broadcast_id = b.broadcast_id)
      + (SELECT count(*) FROM delayed_deliveries d WHERE d.broadcast_id = b.broadcast_id))

-- revive --
UPDATE outbox o SET sent_at = NULL
  FROM broadcasts b
 WHERE b.state = 0 AND o.broadcast_id = b.broadcast_id AND o.sent_at < %(before)s

-- release_again --
UPDATE delayed_deliveries SET released_at = NULL WHERE released_at >= %(since)s
