with days as (
    select day::date as date_day
    from
        generate_series(
            date '2010-01-01', (date_trunc('year', current_date) + interval '2 years - 1 day')::date, interval '1 day'
        ) as series (day)
)

select
    date_day,
    date_trunc('month', date_day)::date as month_date,
    extract(isoyear from date_day)::int as iso_year,
    extract(week from date_day)::int as iso_week,
    extract(isodow from date_day)::int as iso_weekday,
    extract(isodow from date_day) >= 6 as is_weekend
from days
