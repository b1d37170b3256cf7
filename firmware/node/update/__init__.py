"""Updates over the air: upload, verification, unpacking to the idle slot, trial."""
