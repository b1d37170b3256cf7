-- Records read from lampposts and not yet acknowledged by the broker, in the order of their commits.
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node BLOB NOT NULL CHECK (length(node) = 6),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    received INTEGER NOT NULL -- seconds of the gateway's own running time, not of any clock
) STRICT;

CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- The next record to read from each lamppost: all before it is committed here or gone on.
CREATE TABLE cursor (
    node BLOB PRIMARY KEY CHECK (length(node) = 6),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;

-- Sealing counters below `reserved` may have been used, whatever happened since.
CREATE TABLE seal (
    node BLOB PRIMARY KEY CHECK (length(node) = 6),
    reserved INTEGER NOT NULL
) STRICT;

-- What the city wants of each lamppost, and what became of it (JSON).
CREATE TABLE desired (
    node BLOB NOT NULL CHECK (length(node) = 6),
    kind TEXT NOT NULL CHECK (kind IN ('configuration', 'release')),
    document TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (node, kind)
) STRICT;

-- The last facts each lamppost gave (JSON).
CREATE TABLE reported (
    node BLOB PRIMARY KEY CHECK (length(node) = 6),
    document TEXT NOT NULL
) STRICT;

-- One update per lamppost: the current one, or the last.
CREATE TABLE transfer (
    node BLOB PRIMARY KEY CHECK (length(node) = 6),
    rollout TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    image TEXT NOT NULL,
    size INTEGER NOT NULL,
    step TEXT NOT NULL,
    transitions INTEGER NOT NULL,
    resets INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- Commands already carried out or given up, so that a repeat from the broker is not another one.
CREATE TABLE command (
    digest BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE tally (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

INSERT INTO tally (name, value) VALUES
    ('added', 0), ('sent', 0), ('dropped', 0), ('rejected', 0), ('repeated', 0), ('missed', 0),
    ('running_s', 0);
