-- `supplier_id` restricts to what a supplier may see: weddings that somebody of theirs works on, and the people there.

-- users_page --
SELECT user_id, name, role, tier, time_zone, supplier_id
  FROM users u
 WHERE u.user_id > %(after)s
   AND (%(query)s::text IS NULL OR u.user_id ILIKE %(query)s || '%%' OR u.name ILIKE %(query)s || '%%'
        OR u.name ILIKE '%% ' || %(query)s || '%%')
   AND (%(supplier_id)s::text IS NULL OR u.supplier_id = %(supplier_id)s OR EXISTS (
        SELECT 1 FROM wedding_team t
          JOIN wedding_team c ON c.wedding_id = t.wedding_id
          JOIN users s ON s.user_id = c.user_id AND s.supplier_id = %(supplier_id)s
         WHERE t.user_id = u.user_id))
 ORDER BY u.user_id
 LIMIT %(limit)s

-- user --
SELECT user_id, name, role, tier, time_zone, supplier_id
  FROM users u
 WHERE u.user_id = %(user_id)s
   AND (%(supplier_id)s::text IS NULL OR u.supplier_id = %(supplier_id)s OR EXISTS (
        SELECT 1 FROM wedding_team t
          JOIN wedding_team c ON c.wedding_id = t.wedding_id
          JOIN users s ON s.user_id = c.user_id AND s.supplier_id = %(supplier_id)s
         WHERE t.user_id = u.user_id))

-- put_user --
INSERT INTO users AS u (user_id, name, role, tier, time_zone, supplier_id)
VALUES (%(user_id)s, %(name)s, %(role)s, %(tier)s, %(time_zone)s, %(supplier_id)s)
ON CONFLICT (user_id) DO UPDATE
   SET name = EXCLUDED.name, role = EXCLUDED.role, tier = EXCLUDED.tier, time_zone = EXCLUDED.time_zone,
       supplier_id = EXCLUDED.supplier_id,
       updated_at = CASE WHEN (u.name, u.role, u.tier, u.time_zone, u.supplier_id) IS DISTINCT FROM
                              (EXCLUDED.name, EXCLUDED.role, EXCLUDED.tier, EXCLUDED.time_zone, EXCLUDED.supplier_id)
                         THEN now() ELSE u.updated_at END
RETURNING (xmax = 0) AS created

-- weddings_page --
SELECT wedding_id, name, starts_at, time_zone, status, guests
  FROM weddings w
 WHERE w.wedding_id > %(after)s
   AND (%(supplier_id)s::text IS NULL OR EXISTS (
        SELECT 1 FROM wedding_team c JOIN users s ON s.user_id = c.user_id
         WHERE c.wedding_id = w.wedding_id AND s.supplier_id = %(supplier_id)s))
 ORDER BY w.wedding_id
 LIMIT %(limit)s

-- wedding --
SELECT wedding_id, name, starts_at, time_zone, status, guests
  FROM weddings w
 WHERE w.wedding_id = %(wedding_id)s
   AND (%(supplier_id)s::text IS NULL OR EXISTS (
        SELECT 1 FROM wedding_team c JOIN users s ON s.user_id = c.user_id
         WHERE c.wedding_id = w.wedding_id AND s.supplier_id = %(supplier_id)s))

-- put_wedding --
INSERT INTO weddings AS w (wedding_id, name, starts_at, time_zone, status, guests)
VALUES (%(wedding_id)s, %(name)s, %(starts_at)s, %(time_zone)s, %(status)s, %(guests)s)
ON CONFLICT (wedding_id) DO UPDATE
   SET name = EXCLUDED.name, starts_at = EXCLUDED.starts_at, time_zone = EXCLUDED.time_zone, status = EXCLUDED.status,
       guests = EXCLUDED.guests,
       updated_at = CASE WHEN (w.name, w.starts_at, w.time_zone, w.status, w.guests) IS DISTINCT FROM
                              (EXCLUDED.name, EXCLUDED.starts_at, EXCLUDED.time_zone, EXCLUDED.status, EXCLUDED.guests)
                         THEN now() ELSE w.updated_at END
RETURNING (xmax = 0) AS created, w.updated_at = now() AS changed

-- team_page --
SELECT t.wedding_id, t.user_id, u.name, t.role, t.tier, t.joined_at
  FROM wedding_team t
  JOIN users u USING (user_id)
 WHERE t.wedding_id = %(wedding_id)s AND t.user_id > %(after)s
   AND (%(role)s::smallint IS NULL OR t.role = %(role)s)
 ORDER BY t.user_id
 LIMIT %(limit)s

-- member --
SELECT t.wedding_id, t.user_id, u.name, t.role, t.tier, t.joined_at
  FROM wedding_team t
  JOIN users u USING (user_id)
 WHERE t.wedding_id = %(wedding_id)s AND t.user_id = %(user_id)s

-- put_member --
INSERT INTO wedding_team AS t (wedding_id, user_id, role)
SELECT w.wedding_id, u.user_id, %(role)s
  FROM weddings w, users u
 WHERE w.wedding_id = %(wedding_id)s AND u.user_id = %(user_id)s
ON CONFLICT (wedding_id, user_id) DO UPDATE
   SET role = EXCLUDED.role, updated_at = CASE WHEN t.role <> EXCLUDED.role THEN now() ELSE t.updated_at END
RETURNING (xmax = 0) AS created

-- remove_member --
DELETE FROM wedding_team WHERE wedding_id = %(wedding_id)s AND user_id = %(user_id)s RETURNING user_id

-- preferences --
SELECT u.user_id, p.kinds, p.critical_only, p.realtime, p.in_app, p.quiet_enabled, p.quiet_start, p.quiet_end
  FROM users u
  LEFT JOIN preferences p USING (user_id)
 WHERE u.user_id = %(user_id)s

-- put_preferences --
INSERT INTO preferences (user_id, kinds, critical_only, realtime, in_app, quiet_enabled, quiet_start, quiet_end)
SELECT user_id, %(kinds)s, %(critical_only)s, %(realtime)s, %(in_app)s, %(quiet_enabled)s, %(quiet_start)s, %(quiet_end)s
  FROM users WHERE user_id = %(user_id)s
ON CONFLICT (user_id) DO UPDATE
   SET kinds = EXCLUDED.kinds, critical_only = EXCLUDED.critical_only, realtime = EXCLUDED.realtime,
       in_app = EXCLUDED.in_app, quiet_enabled = EXCLUDED.quiet_enabled, quiet_start = EXCLUDED.quiet_start,
       quiet_end = EXCLUDED.quiet_end, updated_at = now()
RETURNING user_id

-- segments_page --
SELECT segment_id, name, roles, tiers, statuses FROM segments
 WHERE segment_id > %(after)s ORDER BY segment_id LIMIT %(limit)s

-- segment --
SELECT segment_id, name, roles, tiers, statuses FROM segments WHERE segment_id = %(segment_id)s

-- put_segment --
INSERT INTO segments AS s (segment_id, name, roles, tiers, statuses)
VALUES (%(segment_id)s, %(name)s, %(roles)s, %(tiers)s, %(statuses)s)
ON CONFLICT (segment_id) DO UPDATE
   SET name = EXCLUDED.name, roles = EXCLUDED.roles, tiers = EXCLUDED.tiers, statuses = EXCLUDED.statuses,
       updated_at = CASE WHEN (s.roles, s.tiers, s.statuses) IS DISTINCT FROM
                              (EXCLUDED.roles, EXCLUDED.tiers, EXCLUDED.statuses)
                         THEN now() ELSE s.updated_at END
RETURNING (xmax = 0) AS created

-- known --
SELECT 'wedding' AS what, wedding_id AS id FROM weddings WHERE wedding_id = ANY(%(weddings)s)
UNION ALL
SELECT 'user', user_id FROM users WHERE user_id = ANY(%(users)s)

-- import_weddings --
WITH given AS (
    SELECT * FROM unnest(%(wedding_id)s::text[], %(name)s::text[], %(starts_at)s::timestamptz[], %(time_zone)s::text[],
                         %(status)s::smallint[], %(guests)s::integer[])
        AS g (wedding_id, name, starts_at, time_zone, status, guests)
), put AS (
    INSERT INTO weddings AS w (wedding_id, name, starts_at, time_zone, status, guests)
    SELECT g.wedding_id, COALESCE(g.name, o.name), COALESCE(g.starts_at, o.starts_at),
           COALESCE(g.time_zone, o.time_zone), COALESCE(g.status, o.status, 0), COALESCE(g.guests, o.guests, 0)
      FROM given g LEFT JOIN weddings o USING (wedding_id)
     ORDER BY g.wedding_id
    ON CONFLICT (wedding_id) DO UPDATE
       SET name = EXCLUDED.name, starts_at = EXCLUDED.starts_at, time_zone = EXCLUDED.time_zone,
           status = EXCLUDED.status, guests = EXCLUDED.guests, updated_at = now()
     WHERE (w.name, w.starts_at, w.time_zone, w.status, w.guests) IS DISTINCT FROM
           (EXCLUDED.name, EXCLUDED.starts_at, EXCLUDED.time_zone, EXCLUDED.status, EXCLUDED.guests)
    RETURNING (xmax = 0) AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM put

-- import_users --
-- After import_weddings, so that whoever's own zone is not known begins with the one of the wedding as it is stored now.
WITH given AS (
    SELECT * FROM unnest(%(user_id)s::text[], %(name)s::text[], %(role)s::smallint[], %(own_role)s::boolean[],
                         %(tier)s::smallint[], %(time_zone)s::text[], %(first_wedding)s::text[], %(supplier_id)s::text[])
        AS g (user_id, name, role, own_role, tier, time_zone, first_wedding, supplier_id)
), put AS (
    INSERT INTO users AS u (user_id, name, role, tier, time_zone, supplier_id)
    SELECT g.user_id, COALESCE(g.name, o.name), CASE WHEN g.own_role THEN g.role ELSE COALESCE(o.role, g.role) END,
           COALESCE(g.tier, o.tier, 0), COALESCE(g.time_zone, o.time_zone, w.time_zone, 'UTC'),
           COALESCE(g.supplier_id, o.supplier_id)
      FROM given g LEFT JOIN users o USING (user_id) LEFT JOIN weddings w ON w.wedding_id = g.first_wedding
     ORDER BY g.user_id
    ON CONFLICT (user_id) DO UPDATE
       SET name = EXCLUDED.name, role = EXCLUDED.role, tier = EXCLUDED.tier, time_zone = EXCLUDED.time_zone,
           supplier_id = EXCLUDED.supplier_id, updated_at = now()
     WHERE (u.name, u.role, u.tier, u.time_zone, u.supplier_id) IS DISTINCT FROM
           (EXCLUDED.name, EXCLUDED.role, EXCLUDED.tier, EXCLUDED.time_zone, EXCLUDED.supplier_id)
    RETURNING (xmax = 0) AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM put

-- import_team --
WITH given AS (
    SELECT * FROM unnest(%(wedding_id)s::text[], %(user_id)s::text[], %(role)s::smallint[]) AS g (wedding_id, user_id, role)
), put AS (
    INSERT INTO wedding_team AS t (wedding_id, user_id, role)
    SELECT g.wedding_id, g.user_id, g.role
      FROM given g LEFT JOIN wedding_team o USING (wedding_id, user_id)
     WHERE o.role IS DISTINCT FROM g.role
     ORDER BY g.wedding_id, g.user_id
    ON CONFLICT (wedding_id, user_id) DO UPDATE SET role = EXCLUDED.role, updated_at = now()
    RETURNING (xmax = 0) AS created
)
SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM put

-- erase_user --
DELETE FROM users WHERE user_id = %(user_id)s

-- erase_connections --
DELETE FROM connections WHERE user_id = %(user_id)s RETURNING connection_id, user_id

-- erase_heads --
DELETE FROM inbox_heads WHERE user_id = %(user_id)s

-- erase_delayed --
DELETE FROM delayed_deliveries WHERE user_id = %(user_id)s

-- erase_deliveries --
UPDATE deliveries
   SET user_id = 'erased:' || gen_random_uuid(), stream_offset = NULL
 WHERE user_id = %(user_id)s

-- erase_audiences --
UPDATE broadcasts
   SET audience = jsonb_set(audience, '{user_ids}', (audience -> 'user_ids') - %(user_id)s::text)
 WHERE audience -> 'user_ids' ? %(user_id)s

-- erase_sender --
UPDATE broadcasts SET created_by = 'erased' WHERE created_by = %(user_id)s

-- erase_keys --
DELETE FROM idempotency WHERE principal = %(user_id)s

-- erase_outbox --
-- A page that begins after this id begins at the same place after the id's nearest lower neighbour, which is nobody's:
-- no id holds a "~".
UPDATE outbox
   SET body = (body::jsonb
               || CASE WHEN body::jsonb -> 'users' ? %(user_id)s
                       THEN jsonb_build_object('users', (body::jsonb -> 'users') - %(user_id)s::text) ELSE '{}' END
               || CASE WHEN body::jsonb ->> 'after' = %(user_id)s
                       THEN jsonb_build_object('after', left(%(user_id)s, -1) || chr(ascii(right(%(user_id)s, 1)) - 1) || '~')
                       ELSE '{}' END)::text
 WHERE position(to_jsonb(%(user_id)s::text)::text IN body) > 0

-- erase_dead_letters --
UPDATE dead_letters
   SET body = replace(body, to_jsonb(%(user_id)s::text)::text, '"erased"')
 WHERE position(to_jsonb(%(user_id)s::text)::text IN body) > 0
