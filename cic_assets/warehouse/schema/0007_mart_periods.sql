-- Periods of mart sets (dbt's tags; months, local days, arrival dates, one for all dimensions): due while the touch is
-- another than the built one, or made by other SQL. Never deleted.
do $$
begin
  if to_regclass('catalogue.mart_period') is null then
    create table catalogue.mart_period (
      mart_set text not null,
      period_date date not null,
      touch_id bigint not null,
      touched_at timestamptz not null default now(),
      built_touch_id bigint,
      built_with text,
      built_at timestamptz,
      primary key (mart_set, period_date)
    );
    -- Of warehouses that were made before, nobody knows how old the marts are: all are due, once.
    insert into catalogue.mart_period (mart_set, period_date, touch_id)
    select mart_set, period_date, nextval('catalogue.touch_id')
    from (
      select 'arrival' as mart_set, arrival_date as period_date from quality.ingest_count
      union
      select case fact when 'charge_point_status' then 'daily' else 'monthly' end, period_date
      from catalogue.fact_window where computed_at is not null
      union
      select 'dimension', date '2010-01-01'
    ) as known;
  end if;
end $$;
