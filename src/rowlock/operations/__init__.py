"""Operations: is everything as it has to be, and can it serve? The invariants, the doctor, logs and probes."""
