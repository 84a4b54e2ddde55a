-- Switches that an operator may turn while servers run; they look here every few seconds.

create table runtime_settings (
    name       text not null,
    value      text not null,
    changed_at timestamptz not null default clock_timestamp(),
    constraint runtime_settings_pkey primary key (name),
    constraint chk_runtime_setting_name check (name in ('v2_rollout_percent'))
);
comment on table runtime_settings is
    'v2_rollout_percent: share of the sessions calling version 1 that version 2 serves; overrides the environment.';
