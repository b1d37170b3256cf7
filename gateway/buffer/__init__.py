"""What the gateway must not forget: records on their way to the city, and the state of its work.

Policy, in one place. A record is added with the read position of its lamppost in one transaction,
and the lamppost is told only after that commit. A record is deleted when the broker has
acknowledged it and every second outlet has passed it.

Bounds, and what happens at each:

- Bytes (`max_bytes`). When full the gateway stops reading, and lampposts keep their records in
  their own logs; nothing is dropped. Records that a broker will never take are moved to the table
  `rejected`, stay there until a person removes them, and count within this bound.
- Free disk (`keep_free_bytes`). Below it unused pages of the file are given back, and reading stops
  as above. Only below a quarter of it, where others fill the disk and soon nothing at all could be
  committed, records are dropped until half of it is free.
- Age (`max_age_days`), of this gateway's own running time: no clock step can age a record.
  Telemetry is dropped at that age, events at twice that age.
- What waits for second outlets only (`outlet_max_bytes`): the oldest are dropped, and counted as
  missed by the outlet. They are with the city.

Whatever must be dropped, the oldest telemetry goes first and events last; `drops` says which kinds
are events. Of what is no record at all the newest thousand are kept in `rejected`. All of it is
counted, durably and by reason.
"""
