-- A second switch: an operator may pause the cleanup. Its row is there while the pause lasts.
--
-- The table has at most a row for each name, so its constraints are checked in no time.
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid

alter table runtime_settings drop constraint chk_runtime_setting_name;
alter table runtime_settings
    add constraint chk_runtime_setting_name check (name in ('v2_rollout_percent', 'cleanup_paused'));
-- To resume is to delete the row: a value such as `false` would leave two ways to say the same.
alter table runtime_settings
    add constraint chk_cleanup_paused_is_true check (name <> 'cleanup_paused' or value = 'true');
comment on table runtime_settings is
    'v2_rollout_percent: share of the sessions calling version 1 that version 2 serves; overrides the environment. cleanup_paused: no cleanup retires holds while this row is there.';
