-- unknown_users --
SELECT w.user_id FROM unnest(%(users)s::text[]) WITH ORDINALITY AS w (user_id, place)
 WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = w.user_id) ORDER BY w.place

-- known_wedding --
SELECT 1 FROM weddings WHERE wedding_id = %(wedding_id)s

-- known_segment --
SELECT 1 FROM segments WHERE segment_id = %(segment_id)s

-- supplier_on_wedding --
SELECT 1 FROM wedding_team t JOIN users u USING (user_id)
 WHERE t.wedding_id = %(wedding_id)s AND u.supplier_id = %(supplier_id)s LIMIT 1

-- strangers_to_supplier --
SELECT 1 FROM unnest(%(users)s::text[]) AS w (user_id)
 WHERE NOT EXISTS (
       SELECT 1 FROM wedding_team theirs
         JOIN wedding_team ours ON ours.wedding_id = theirs.wedding_id
         JOIN users u ON u.user_id = ours.user_id AND u.supplier_id = %(supplier_id)s
        WHERE theirs.user_id = w.user_id)
 LIMIT 1

-- team --
SELECT u.user_id, t.role, u.time_zone, p.kinds, p.critical_only, p.realtime, p.in_app, p.quiet_enabled,
       p.quiet_start, p.quiet_end, days.venues
  FROM wedding_team t
  JOIN users u USING (user_id)
  LEFT JOIN preferences p ON p.user_id = u.user_id
  LEFT JOIN LATERAL (
       SELECT json_agg(json_build_array(w.starts_at, w.time_zone)) AS venues
         FROM wedding_team mine JOIN weddings w USING (wedding_id)
        WHERE mine.user_id = u.user_id AND w.status <> 3
          AND w.starts_at BETWEEN %(now)s::timestamptz - interval '40 hours' AND %(now)s::timestamptz + interval '40 hours'
       ) AS days ON p.quiet_enabled
 WHERE t.wedding_id = %(wedding_id)s AND (%(role)s::smallint IS NULL OR t.role = %(role)s)

-- people --
SELECT u.user_id, u.role, u.time_zone, p.kinds, p.critical_only, p.realtime, p.in_app, p.quiet_enabled,
       p.quiet_start, p.quiet_end, days.venues
  FROM users u
  LEFT JOIN preferences p ON p.user_id = u.user_id
  LEFT JOIN LATERAL (
       SELECT json_agg(json_build_array(w.starts_at, w.time_zone)) AS venues
         FROM wedding_team mine JOIN weddings w USING (wedding_id)
        WHERE mine.user_id = u.user_id AND w.status <> 3
          AND w.starts_at BETWEEN %(now)s::timestamptz - interval '40 hours' AND %(now)s::timestamptz + interval '40 hours'
       ) AS days ON p.quiet_enabled
 WHERE u.user_id = ANY(%(users)s)

-- everyone_page --
SELECT user_id FROM users WHERE role = %(role)s AND user_id > %(after)s ORDER BY user_id LIMIT %(limit)s

-- everyone_changed --
-- A minute earlier than asked for: `updated_at` is when a change's transaction began, and an import that began before the
-- broadcast may become visible in the middle of its pages. Whoever is read twice is recorded once.
SELECT user_id FROM users WHERE updated_at >= %(since)s::timestamptz - interval '1 minute' AND user_id > %(after)s ORDER BY user_id LIMIT %(limit)s

-- everyone_count --
SELECT count(*) AS people FROM users

-- segment_page --
SELECT DISTINCT page.user_id
  FROM segments s
 CROSS JOIN LATERAL unnest(CASE WHEN s.statuses = '{}' THEN '{0,1,2,3}' ELSE s.statuses END) AS st (status)
 CROSS JOIN LATERAL unnest(CASE WHEN s.tiers = '{}' THEN '{0,1,2}' ELSE s.tiers END) AS ti (tier)
 CROSS JOIN LATERAL (
       SELECT t.user_id FROM wedding_team t
        WHERE t.role = %(role)s AND t.status = st.status AND t.tier = ti.tier AND t.user_id > %(after)s
        ORDER BY t.user_id LIMIT %(limit)s) AS page
 WHERE s.segment_id = %(segment_id)s AND (s.roles = '{}' OR %(role)s = ANY(s.roles))
 ORDER BY page.user_id LIMIT %(limit)s

-- segment_changed --
-- A minute earlier, as for everyone.
SELECT DISTINCT t.user_id
  FROM wedding_team t JOIN segments s ON s.segment_id = %(segment_id)s
 WHERE t.updated_at >= %(since)s::timestamptz - interval '1 minute' AND t.user_id > %(after)s
   AND (s.roles = '{}' OR t.role = ANY(s.roles))
   AND (s.tiers = '{}' OR t.tier = ANY(s.tiers))
   AND (s.statuses = '{}' OR t.status = ANY(s.statuses))
 ORDER BY t.user_id LIMIT %(limit)s

-- segment_count --
SELECT count(DISTINCT t.user_id) AS people
  FROM wedding_team t JOIN segments s ON s.segment_id = %(segment_id)s
 WHERE (s.roles = '{}' OR t.role = ANY(s.roles))
   AND (s.tiers = '{}' OR t.tier = ANY(s.tiers))
   AND (s.statuses = '{}' OR t.status = ANY(s.statuses))

-- holders_page --
SELECT user_id FROM deliveries
 WHERE broadcast_id = %(broadcast_id)s AND role = %(role)s AND stream_offset IS NOT NULL AND user_id > %(after)s
 ORDER BY user_id LIMIT %(limit)s

-- holders_count --
SELECT count(*) AS people FROM deliveries WHERE broadcast_id = %(broadcast_id)s AND stream_offset IS NOT NULL
