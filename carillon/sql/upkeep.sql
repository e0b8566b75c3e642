-- purge_idempotency --
DELETE FROM idempotency WHERE created_at < %(before)s

-- purge_outbox --
DELETE FROM outbox WHERE sent_at < %(before)s

-- purge_dead_letters --
DELETE FROM dead_letters WHERE received_at < %(before)s

-- purge_connections --
DELETE FROM connections WHERE connected_at < %(before)s

-- purge_auto_scaling_events --
DELETE FROM auto_scaling_events WHERE decided_at < %(before)s

-- purge_groups --
DELETE FROM outbox_groups g
 WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.group_id = g.group_id AND o.lane = g.lane)

-- partitions --
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'deliveries'::regclass AND c.relname ~ '^deliveries_\d{4}_\d{2}_\d{2}$'
 ORDER BY 1

-- raise_floors --
UPDATE inbox_heads h SET floor = gone.upto
  FROM (SELECT user_id, lane, max(stream_offset) AS upto FROM {partition}
         WHERE stream_offset IS NOT NULL GROUP BY user_id, lane) AS gone
 WHERE h.user_id = gone.user_id AND h.lane = gone.lane AND h.floor < gone.upto

-- purge_broadcasts --
DELETE FROM broadcasts b
 WHERE broadcast_id < %(before)s
   AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.broadcast_id = b.broadcast_id)
   AND NOT EXISTS (SELECT 1 FROM delayed_deliveries d WHERE d.broadcast_id = b.broadcast_id)

-- everybody --
SELECT connection_id, user_id FROM connections
 WHERE active AND (%(here)s::text IS NULL OR region = %(here)s)
