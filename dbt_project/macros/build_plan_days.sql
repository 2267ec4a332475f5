{# What a build covers: days, runs, bars and fills that the loads of its plan touch, and those that hang on them. #}

{# The streams by their clock; the macros of the plan read them by name, because a hook has no sources. #}
{% macro clocked_streams() -%}
    {{ return([
        'calibration_log', 'costs', 'ensemble_log', 'execution_log', 'health', 'hyperliquid_fills', 'kpi_scorecard',
        'market_ingest_log', 'overlay_status', 'pnl_equity_log', 'repro', 'signals', 'sizing_risk_log',
        'signal', 'gate_decision', 'trade_exec', 'trade_close', 'model_update', 'gate_adjustment', 'error',
    ]) }}
{%- endmacro %}

{# Streams whose records name their run. #}
{% macro run_streams() -%}
    {{ return([
        'calibration_log', 'ensemble_log', 'execution_log', 'hyperliquid_fills', 'kpi_scorecard', 'market_ingest_log',
        'overlay_status', 'pnl_equity_log', 'sizing_risk_log',
    ]) }}
{%- endmacro %}

{% macro bar_clocked_streams() -%}
    {{ return(['calibration', 'feature_log', 'order_intent']) }}
{%- endmacro %}

{#
    Days and bars that the loads of the plan touch, and those that hang on them:
    1. the days of every row that came or went, an hour either way, so that nothing at midnight is cut off;
    2. the days of the decisions of bars that a record without emission clock names;
    3. the days of the runs alive on those days, because bars are numbered and windows are bounded by run;
    4. the days and runs of the decisions of the same bars, because replicas of a bar are ranked among each other.
#}
{% macro plan_days() -%}
    begin;
    create or replace temp table touched_hours as
    {% for stream in clocked_streams() %}
    select distinct date_trunc('hour', emitted_at) as hour_at from raw."{{ stream }}" where {{ of_planned_loads() }} union
    {%- endfor %}
    select hour_at from raw.removed_rows where {{ of_planned_loads() }} and hour_at is not null;

    create or replace temp table touched_days as
    select {{ date_ist("(hour_at - interval 1 hour)") }} as date_ist from touched_hours
    union
    select {{ date_ist("(hour_at + interval 2 hours)") }} as date_ist from touched_hours;

    create or replace temp table record_bars as
    {% for stream in bar_clocked_streams() %}
    select distinct bar_open_at from raw."{{ stream }}" where {{ of_planned_loads() }} union
    {%- endfor %}
    select bar_open_at from raw.removed_rows where {{ of_planned_loads() }} and bar_open_at is not null;

    create or replace temp table new_bursts as
    {%- for stream in ['ensemble_log', 'pnl_equity_log'] %}
    select record ->> '$.run_id' as run_id, {{ event_id_instant("record ->> '$.event_id'") }} as bar_open_at
    from raw."{{ stream }}"
    where {{ of_planned_loads() }}
    {{ "union" if not loop.last }}
    {%- endfor %};

    create or replace temp table known_bursts as
    select run_id, bar_open_at, {{ date_ist('first_seen_at') }} as date_ist from intermediate.int_bursts;

    insert into touched_days
    select date_ist from known_bursts where bar_open_at in (from record_bars);

    create or replace temp table touched_runs as
    select run_id from known_bursts where date_ist in (from touched_days)
    union
    select run_id from new_bursts;

    insert into touched_days
    select distinct date_ist from known_bursts where run_id in (from touched_runs);

    create or replace temp table touched_bars as
    select bar_open_at from known_bursts where run_id in (from touched_runs)
    union
    select bar_open_at from new_bursts
    union
    select bar_open_at from record_bars;

    insert into touched_days
    select distinct date_ist from known_bursts where bar_open_at in (from touched_bars);

    insert into build.runs
    select run_id from touched_runs
    union
    select run_id from known_bursts where bar_open_at in (from touched_bars)
    {%- for stream in run_streams() %}
    union
    select record ->> '$.run_id' from raw."{{ stream }}" where {{ of_planned_loads() }}
    union
    select run_id
    from staging.stg_{{ stream }}
    where date_trunc('hour', emitted_at) in (
        select hour_at from raw.removed_rows where {{ of_planned_loads() }} and stream = '{{ stream }}'
    )
    {%- endfor %}
    union
    -- rows of no run: they are few, and rebuilt each time
    select ''
    union
    -- a run ends by staying silent while others go on
    select run_id
    from intermediate.int_run_spans
    where last_emitted_at >= (
        select max(last_emitted_at) - to_seconds({{ var('run_end_after_seconds') }}) from intermediate.int_run_spans
    )
    except
    select run_id from build.runs;

    insert into build.days
    select date_ist from touched_days
    except
    select date_ist from build.days;

    insert into build.context_days
    select date_ist from build.days
    union
    select date_ist
    from known_bursts
    where run_id in (select run_id from known_bursts where date_ist in (from build.days))
    except
    select date_ist from build.context_days;

    insert into build.run_days
    select distinct date_ist + cast(shift as integer)
    from (
        select date_ist from known_bursts where run_id in (from build.runs)
        union
        select date_ist from build.days
    ) as days
    cross join (values (-1), (0), (1)) as shifts (shift)
    except
    select date_ist from build.run_days;

    insert into build.bars
    select bar_open_at from touched_bars
    union
    select bar_open_at from record_bars
    union
    select bar_open_at from known_bursts where date_ist in (from build.days)
    union
    -- what is rebuilt by run is read from the first to the last of these bars: they must span the runs that are rebuilt
    -- though nothing of them came
    select unnest([min(bar_open_at), max(bar_open_at)]) from known_bursts where run_id in (from build.runs) having count(*) > 0
    except
    select bar_open_at from build.bars;

    insert into build.record_days
    select date_ist from build.days
    union
    select {{ date_ist('bar_open_at') }} from build.bars
    except
    select date_ist from build.record_days;

    {{ plan_fill_days() }}
    commit
{%- endmacro %}

{# The days whose fills are ranked anew. #}
{% macro plan_fill_days() -%}
    insert into build.fill_days
    select {{ date_ist("coalesce(" ~ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") ~ ", emitted_at)") }}
    from raw.hyperliquid_fills
    where {{ of_planned_loads() }}
    union
    select {{ date_ist('coalesce(filled_at, emitted_at)') }}
    from staging.stg_hyperliquid_fills
    where date_trunc('hour', emitted_at) in (
        select hour_at from raw.removed_rows where {{ of_planned_loads() }} and stream = 'hyperliquid_fills'
    )
    except
    select date_ist from build.fill_days;
{%- endmacro %}

{#
    Polls repeat the fills of days: all rows of a fill are ranked together, whenever they were polled. A statement of its own, after
    plan_days(), because the first of those days is to be a literal.
#}
{% macro plan_poll_days() -%}
    {%- set first = run_query("select min(date_ist) from build.fill_days").rows[0][0] -%}
    {%- set from_first = ">= timestamptz '" ~ first ~ " 00:00:00+05:30'" %}
    insert into build.poll_days
    select date_ist from touched_days
    {%- if first %}
    union
    select emitted_date_ist
    from staging.stg_hyperliquid_fills
    -- comparing instants first, those of one column: to read each fill there ever was would take longest of all
    where (filled_at {{ from_first }} or filled_at is null)
        and coalesce(filled_at, emitted_at) {{ from_first }}
        and {{ date_ist('coalesce(filled_at, emitted_at)') }} in (from build.fill_days)
    {%- endif %}
    except
    select date_ist from build.poll_days
{%- endmacro %}
