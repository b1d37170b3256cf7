-- The key that the lampposts of a bus share for broadcasts. Counters below `reserved` may have been
-- used, whatever happened since.
CREATE TABLE group_key (
    bus TEXT PRIMARY KEY,
    key_id INTEGER NOT NULL CHECK (key_id BETWEEN 200 AND 207),
    key BLOB NOT NULL CHECK (length(key) = 16),
    reserved INTEGER NOT NULL
) STRICT;

-- Who may have been given it: noted before it is sent.
CREATE TABLE group_member (
    bus TEXT NOT NULL,
    node BLOB NOT NULL CHECK (length(node) = 6),
    PRIMARY KEY (bus, node)
) STRICT;
