-- refused: 1 for a sound record a broker would not take, kept until a person has looked at it;
-- 0 for what was no record at all, of which only the newest are kept.
ALTER TABLE rejected ADD COLUMN refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1));

UPDATE rejected SET refused = 1 WHERE reason LIKE 'refused by the broker%';

INSERT INTO tally (name, value) VALUES ('held_rows', 0), ('held_bytes', 0);

CREATE INDEX rejected_rubbish ON rejected (id) WHERE refused = 0;
