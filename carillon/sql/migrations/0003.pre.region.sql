-- Where there are two Regions: the one that a socket was opened in, and the one whose lanes a message is for. A constant
-- default changes no row. Empty is whatever was noted before there were two, and the lanes where broadcasts begin.
ALTER TABLE connections ADD COLUMN IF NOT EXISTS region text NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS region text NOT NULL DEFAULT '';
