-- What these read is thrown away: that it was read is all there is to it. Hence they ask for columns that no index has, as a
-- plain count(*) would be answered from an index, and a left join of which nothing is used would not be made at all. And
-- they ask in a subquery for each wedding or person, which PostgreSQL can neither merge nor turn into reading a whole table,
-- so that the same indexes are descended as by the broadcast itself.

-- teams --
-- As `audiences.sql: team` begins, and the wedding that it looks at for the quiet hours of that day. Each member is looked up
-- by the whole primary key, or the index that the planner counts teams by would be read in its place.
SELECT team.user_ids, members.role, the.starts_at
  FROM unnest(%(weddings)s::text[]) AS asked (wedding_id)
 CROSS JOIN LATERAL (
       SELECT array_agg(user_id) AS user_ids FROM wedding_team WHERE wedding_id = asked.wedding_id) AS team
 CROSS JOIN LATERAL (
       SELECT max(of_one.role) AS role
         FROM unnest(team.user_ids) AS member (user_id)
        CROSS JOIN LATERAL (
              SELECT role FROM wedding_team
               WHERE wedding_id = asked.wedding_id AND user_id = member.user_id OFFSET 0) AS of_one) AS members
  LEFT JOIN LATERAL (
       SELECT starts_at FROM weddings WHERE wedding_id = asked.wedding_id OFFSET 0) AS the ON true
 WHERE team.user_ids IS NOT NULL

-- people --
-- As `audiences.sql: team` goes on: users, preferences, and the weddings of the day of those who have quiet hours. A whole
-- row as text takes all of its columns.
SELECT max(length(seen::text)) AS longest
  FROM unnest(%(users)s::text[]) AS asked (user_id)
 CROSS JOIN LATERAL (
       SELECT u.role, u.time_zone, p.kinds, p.critical_only, p.realtime, p.quiet_start, p.quiet_end, days.venues
         FROM users u
         LEFT JOIN preferences p ON p.user_id = u.user_id
         LEFT JOIN LATERAL (
              SELECT json_agg(json_build_array(w.starts_at, w.time_zone)) AS venues
                FROM wedding_team mine JOIN weddings w USING (wedding_id)
               WHERE mine.user_id = u.user_id AND w.status <> 3
                 AND w.starts_at BETWEEN now() - interval '40 hours' AND now() + interval '40 hours'
              ) AS days ON p.quiet_enabled
        WHERE u.user_id = asked.user_id OFFSET 0) AS seen

-- heads --
-- Of all lanes: `deliveries.sql: record_queued` locks one of them.
SELECT max(of_one.head) AS head
  FROM unnest(%(users)s::text[]) AS asked (user_id)
 CROSS JOIN LATERAL (SELECT max(head) AS head FROM inbox_heads WHERE user_id = asked.user_id) AS of_one

-- sockets --
-- As `connections.sql: active`.
SELECT sum(of_one.active) AS active
  FROM unnest(%(users)s::text[]) AS asked (user_id)
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE active) AS active FROM connections WHERE user_id = asked.user_id) AS of_one
