-- Second outlets, each with its own cursor: it has passed on, or missed, every row up to `last`.
CREATE TABLE outlet (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL,
    passed INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Records that have gone up to the broker and that an outlet has still to pass, by the id they had.
CREATE TABLE kept (
    id INTEGER PRIMARY KEY,
    node BLOB NOT NULL CHECK (length(node) = 6),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    received INTEGER NOT NULL
) STRICT;

-- dropped_age and dropped_disk are the reasons of all that is counted in `dropped`, dropped_events
-- its part that was no telemetry. Nothing but age was a reason before.
INSERT INTO tally (name, value)
    SELECT 'dropped_age', value FROM tally WHERE name = 'dropped';
INSERT INTO tally (name, value) VALUES
    ('dropped_disk', 0), ('dropped_events', 0), ('kept_rows', 0), ('kept_bytes', 0);
