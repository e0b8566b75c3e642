-- weddings_between --
SELECT count(*) AS weddings FROM weddings
 WHERE starts_at >= %(start)s AND starts_at < %(end)s AND status <> 3
