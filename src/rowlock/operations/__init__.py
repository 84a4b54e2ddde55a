"""Operations: the invariant check, the doctor, logs and health probes."""
