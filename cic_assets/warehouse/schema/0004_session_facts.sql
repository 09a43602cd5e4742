-- Sessions whose ids are none (S16), and what statistics leave out.

-- The date is in the key because a session that moved to another month is in both until both are restated; charge point,
-- connector and start because an id may be no id (S16).
alter table facts.charging_session drop constraint if exists charging_session_pkey;
create unique index if not exists charging_session_key on facts.charging_session
(provider_id, record_kind, session_id, start_date, charge_point_id, connector_id, started_at) nulls not distinct;
-- Whether the statistics count the session. Warehouses that were made before the column knew it by its flags.
do $$
begin
  if not exists (
    select from information_schema.columns
    where table_schema = 'facts' and table_name = 'charging_session' and column_name = 'is_counted'
  ) then
    alter table facts.charging_session add column is_counted boolean;
    update facts.charging_session set is_counted
      = not flags && array['credit', 'credited', 'credit_without_original', 'invalid', 'reservation'];
    alter table facts.charging_session alter column is_counted set not null;
  end if;
end $$;
