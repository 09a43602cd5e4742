-- Roles. Needs CREATEROLE; on a managed server the same file runs once as its administrator.
do $$
begin
  if not exists (select from pg_roles where rolname = 'cic_etl') then create role cic_etl nologin; end if;
  if not exists (select from pg_roles where rolname = 'cic_analyst') then create role cic_analyst nologin; end if;
end $$;
grant usage, create on schema facts, marts, quality, catalogue to cic_etl;
grant select, insert, update, delete on all tables in schema facts, marts, quality, catalogue to cic_etl;
grant usage on all sequences in schema catalogue to cic_etl;
grant usage on schema marts to cic_analyst;
grant select on all tables in schema marts to cic_analyst;
alter default privileges in schema marts grant select on tables to cic_analyst;
