select value::integer from rowlock.runtime_settings where name = 'v2_rollout_percent'
