"""What the gateway must not forget: records on their way to the city, and the state of its work.

Policy, in one place. A record is added with the read position of its lamppost in one transaction,
and the lamppost is told only after that commit. A record is deleted when the broker has
acknowledged it.

Bounded in bytes: when full the gateway stops reading, and lampposts keep their records in their
own logs; nothing is dropped for want of space. Records that a broker will never take are moved to
the table `rejected`, stay there until a person removes them, and count within the bound. Bounded in
age: records older than `max_age_days` of this gateway's own running time (no clock step can age
them) are dropped, counted and logged. Of what is no record at all the newest thousand are kept in
`rejected`. Counters added, sent, dropped, rejected, repeated and missed are durable.
"""
