-- Made anew without AUTOINCREMENT: its sequence costs a page on the disk with every commit. The
-- program counts on from the highest id there is (here, kept, or passed by an outlet).
ALTER TABLE record RENAME TO record_before;
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    node BLOB NOT NULL CHECK (length(node) = 6),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    received INTEGER NOT NULL -- seconds of the gateway's own running time, not of any clock
) STRICT;
INSERT INTO record SELECT id, node, epoch, seq, body, received FROM record_before;
DROP TABLE record_before;

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

-- Counted with the position, in the row that a commit writes anyway. The counters of these names in
-- `tally` are what was counted before.
ALTER TABLE cursor ADD COLUMN added INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;

-- Counted in memory, from the rows at each start.
DELETE FROM tally WHERE name IN ('held_rows', 'held_bytes');
-- dropped_age and dropped_disk: records dropped, by reason; nothing but age was one before.
-- events_dropped: what of these was no telemetry. written_bytes: bytes written to the disk since
-- `added` was written_from. last_id: the highest id some time ago. salvaged_at: Unix seconds of the
-- last salvage, 0 for none. lineage: which database this is, at random; a restored copy is another.
UPDATE tally SET name = 'dropped_age' WHERE name = 'dropped';
INSERT INTO tally (name, value)
    SELECT 'written_from', value FROM tally WHERE name = 'added';
INSERT INTO tally (name, value) VALUES
    ('dropped_disk', 0), ('events_dropped', 0), ('kept_bytes', 0), ('written_bytes', 0),
    ('last_id', 0), ('salvages', 0), ('salvaged_at', 0),
    ('lineage', abs(random() % 1000000000));
