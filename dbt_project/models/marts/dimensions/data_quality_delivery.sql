-- A view: a delivery is judged again whenever its arrival is ingested.
select
    stream_id,
    arrival_date,
    delivery,
    array_to_string(file_names, ', ') as file_names,
    row_count,
    charge_point_count,
    median_kwh::numeric(18, 6) as median_kwh,
    median_kw::numeric(18, 6) as median_kw,
    is_held,
    array_to_string(findings, ', ') as findings,
    array_to_string(finding_texts, '; ') as finding_texts
from {{ source('quality', 'delivery') }}
