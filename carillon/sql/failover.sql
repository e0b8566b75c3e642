-- new_epoch --
UPDATE meta SET value = substr(md5(gen_random_uuid()::text), 1, 8) WHERE key = 'inbox_epoch' RETURNING value AS epoch

-- forget_region --
DELETE FROM connections WHERE region = %(region)s

-- bring_home --
UPDATE outbox SET region = '' WHERE region = %(region)s AND sent_at IS NULL
