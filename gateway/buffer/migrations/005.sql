-- file and file_size: what is sent to the lamppost, a delta or the image itself; '' until chosen.
-- whole: 1 once it has refused a delta. multicast: 1 while, or since, it came by multicast.
ALTER TABLE transfer ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE transfer ADD COLUMN file_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfer ADD COLUMN whole INTEGER NOT NULL DEFAULT 0 CHECK (whole IN (0, 1));
ALTER TABLE transfer ADD COLUMN multicast INTEGER NOT NULL DEFAULT 0 CHECK (multicast IN (0, 1));

-- Of an update under way, the image itself: no other file was sent before.
UPDATE transfer SET file = image, file_size = size WHERE step <> 'fetch';
