-- An ack is the one statement that runs once per person and event. As a function its plan is kept by the database's
-- session, also behind a proxy that cannot keep prepared statements: planning over all weekly partitions took most of it.
CREATE OR REPLACE FUNCTION ack_inbox(
    given_connection text, given_epoch text, given_lanes smallint[], given_offsets bigint[], given_now timestamptz
) RETURNS TABLE (acked_lane smallint, acked_upto bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    WITH wanted AS (
        SELECT c.user_id, w.lane, w.upto
          FROM connections c, unnest(given_lanes, given_offsets) AS w (lane, upto)
         WHERE c.connection_id = given_connection
           AND given_epoch = (SELECT value FROM meta WHERE key = 'inbox_epoch')),
    heads AS MATERIALIZED (
        SELECT h.user_id, h.lane, h.acked AS was, least(h.head, greatest(h.acked, w.upto)) AS upto
          FROM inbox_heads h JOIN wanted w USING (user_id, lane)
         ORDER BY h.user_id, h.lane
           FOR UPDATE OF h),
    moved AS (
        UPDATE inbox_heads h SET acked = heads.upto FROM heads
         WHERE h.user_id = heads.user_id AND h.lane = heads.lane AND heads.upto > heads.was),
    got AS (
        UPDATE deliveries d SET status = 4, delivered_at = given_now FROM heads
         WHERE d.user_id = heads.user_id AND d.lane = heads.lane
           AND d.stream_offset > heads.was AND d.stream_offset <= heads.upto AND d.status IN (2, 3, 6))
    SELECT heads.lane, heads.upto
      FROM connections c LEFT JOIN heads ON heads.user_id = c.user_id
     WHERE c.connection_id = given_connection;
END $$;
