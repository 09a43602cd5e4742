-- Roles. Needs CREATEROLE; on a managed server the same file runs once as its administrator.
-- cic_etl is for those who write. Two log in by themselves, so that no statement leads back to a stronger role:
-- cic_analyst reads marts, cic_reader facts, quality and catalogue too. They have no password until somebody gives one:
-- alter role cic_analyst password '…'.
do $$
declare
  name text;
  own text[];
begin
  if not exists (select from pg_roles where rolname = 'cic_etl') then create role cic_etl nologin; end if;
  foreach name in array array['cic_analyst', 'cic_reader'] loop
    if not exists (select from pg_roles where rolname = name) then execute format('create role %I login', name); end if;
    -- What is so already is left alone: others may be setting up their databases on this server.
    if not (select rolcanlogin and rolconnlimit = 30 from pg_roles where rolname = name) then
      execute format('alter role %I login connection limit 30', name);
    end if;
    select coalesce(rolconfig, '{}') into own from pg_roles where rolname = name;
    if not own @> array[
      'statement_timeout=10min', 'lock_timeout=30s', 'idle_in_transaction_session_timeout=5min',
      'default_transaction_read_only=on'
    ] then
      execute format('alter role %I set statement_timeout = ''10min''', name);
      execute format('alter role %I set lock_timeout = ''30s''', name);
      execute format('alter role %I set idle_in_transaction_session_timeout = ''5min''', name);
      execute format('alter role %I set default_transaction_read_only = on', name);
    end if;
  end loop;
exception when insufficient_privilege then
  raise warning 'the roles are as the administrator left them: %', sqlerrm;
end $$;
grant usage, create on schema facts, marts, quality, catalogue to cic_etl;
grant select, insert, update, delete on all tables in schema facts, marts, quality, catalogue to cic_etl;
grant usage on all sequences in schema catalogue to cic_etl;
grant usage on schema marts to cic_analyst;
grant select on all tables in schema marts to cic_analyst;
alter default privileges in schema marts grant select on tables to cic_analyst;
do $$
begin
  if exists (select from pg_roles where rolname = 'cic_reader') then
    grant usage on schema facts, marts, quality, catalogue to cic_reader;
    grant select on all tables in schema facts, marts, quality, catalogue to cic_reader;
    alter default privileges in schema facts, marts, quality, catalogue grant select on tables to cic_reader;
  end if;
end $$;
do $$
declare
  one regprocedure;
begin
  revoke create on schema public from public;
  execute format('revoke temporary on database %I from public', current_database());
  -- Nothing of ours takes advisory locks; where we may, nobody else does either.
  if (select rolsuper from pg_roles where rolname = current_user) then
    for one in
      select oid::regprocedure from pg_proc
      where pronamespace = 'pg_catalog'::regnamespace and proname ~ 'advisory|^lo_|^lo(read|write)$'
        and has_function_privilege('cic_analyst', oid, 'execute')
    loop
      execute format('revoke execute on function %s from public', one);
    end loop;
  end if;
exception when insufficient_privilege then
  raise warning 'what everybody may do on this database is left as it is: %', sqlerrm;
end $$;
