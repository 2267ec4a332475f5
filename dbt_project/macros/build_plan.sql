{#
    What a build has to do (docs/decisions/incremental_builds.md). Schema `build`:

    state          one row: number of the plan (a plan that grows is a new one), whether everything is to be rebuilt, and what
                   the tables were built with
    days           IST days whose rows are rebuilt, of all tables that are cut by day
    runs           runs that are rebuilt whole, in all tables that are cut by run
    run_days       all days those runs lived on, a day either way: what is summed up by day or hour is rebuilt there
    record_days    the plan's days and those of its bars: where a record without emission clock is counted
    bars           opening times of bars whose records without emission clock are matched anew
    context_days   those days and all other days of the runs alive on them: what is numbered by run is read from there
    fill_days      IST days of execution of the polled fills that are ranked anew
    poll_days      IST days on which those fills were polled
    planned_loads  loads this plan takes in;  done_loads  loads that are in every table
    last_plan      one row: when the last plan was done, and the loads, days and runs it was made of
    models         when each model was last built, and for which plan
    part_rows      rows of the part that was last written of each table that is built in parts
    part_tests     tests that looked at that part alone when they last ran;  failed_tests  those that failed: they look at all next

    The plan is made before the models from the tables as they are, and only ever grows until every model was built for it,
    by one command or by several. So a build that dies anywhere, or builds a part of the models, is completed by the next one.
#}

{# Before the models: extend the plan by what was loaded since. #}
{% macro plan_build() -%}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- do graph.pop('build_plan', none) -%}
        {%- do run_query(create_plan_tables()) -%}
        {%- do run_query(plan_loads()) -%}
        {%- if is_full_build() -%}
            {%- do run_query(plan_everything()) -%}
        {%- else -%}
            {%- do run_query(plan_days()) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    After the models: note which were built and what their tests said; the plan is done when each model of the project was built for it. Models tagged
    whole_history are built whole or not at all, without a plan, and may be left to a run a day.
#}
{% macro complete_build(results) -%}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node.unique_id') | list -%}
        {%- set names = [] -%}
        {%- set planned = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
            {%- if node.unique_id in built -%} {%- do names.append("('" ~ node.name ~ "')") -%} {%- endif -%}
            {%- if 'whole_history' not in node.tags -%} {%- do planned.append("('" ~ node.name ~ "')") -%} {%- endif -%}
        {%- endfor -%}
        {%- if names -%}{%- do run_query(note_built(names | join(', '))) -%}{%- endif -%}
        {%- do run_query(note_tests(results | selectattr('node.resource_type', 'equalto', 'test') | rejectattr('status', 'equalto', 'skipped') | list)) -%}
        {%- if run_query(unbuilt(planned | join(', '))).rows[0][0] == 0 -%}{%- do run_query(forget_plan()) -%}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro note_built(models) -%}
    insert or replace into build.models
    select model, now(), (select plan_no from build.state) from (values {{ models }}) as built (model)
{%- endmacro %}

{# What a plan's tests looked at and said; written before the plan is forgotten, so that no end of the process in between loses it. #}
{% macro note_tests(results) -%}
    {%- set part_rows = graph.get('part_rows', {}) -%}
    {%- set tests = results | map(attribute='node.name') | list -%}
    {%- set in_part = graph.get('part_tests', {}).keys() | select('in', tests) | list -%}
    {%- set failed = results | selectattr('status', 'in', ['fail', 'error']) | map(attribute='node.name') | list -%}
    begin;
    delete from build.part_rows where list_contains({{ part_rows.keys() | list }}, model);
    insert into build.part_rows select unnest({{ part_rows.keys() | list }}), unnest({{ part_rows.values() | list }});
    delete from build.part_tests where list_contains({{ tests }}, test);
    insert into build.part_tests select unnest({{ in_part }});
    delete from build.failed_tests where list_contains({{ tests }}, test);
    insert into build.failed_tests select unnest({{ failed }});
    commit
{%- endmacro %}

{# Number of models that are still to be built for the plan. #}
{% macro unbuilt(models) -%}
    select count(*)
    from (values {{ models }}) as planned (model)
    where model not in (select model from build.models where plan_no = (select plan_no from build.state))
{%- endmacro %}

{% macro create_plan_tables() -%}
    create schema if not exists build;
    create table if not exists build.state (
        plan_no bigint not null, is_full boolean not null, code_version varchar, variables varchar, overlay_bots varchar[] not null
    );
    insert into build.state select 1, true, null, null, [] where not exists (from build.state);
    create table if not exists build.days (date_ist date not null);
    create table if not exists build.context_days (date_ist date not null);
    create table if not exists build.poll_days (date_ist date not null);
    create table if not exists build.runs (run_id varchar not null);
    create table if not exists build.run_days (date_ist date not null);
    create table if not exists build.record_days (date_ist date not null);
    create table if not exists build.bars (bar_open_at timestamptz not null);
    create table if not exists build.fill_days (date_ist date not null);
    create table if not exists build.planned_loads (load_id varchar not null);
    create table if not exists build.done_loads (load_id varchar not null);
    create table if not exists build.part_rows (model varchar not null, row_count bigint not null);
    create table if not exists build.part_tests (test varchar not null);
    create table if not exists build.failed_tests (test varchar not null);
    create table if not exists build.models (model varchar primary key, built_at timestamptz not null, plan_no bigint not null)
{%- endmacro %}

{% macro plan_everything() -%}
    update build.state
    set plan_no = plan_no + {{ '1' if flags.FULL_REFRESH else 'case when is_full then 0 else 1 end' }}, is_full = true
{%- endmacro %}

{% macro plan_loads() -%}
    create or replace temp table unplanned_loads as
    select load_id from (select load_id from raw.loads union select load_id from raw.removed_rows)
    where load_id not in (select load_id from build.done_loads union all select load_id from build.planned_loads);
    update build.state set plan_no = plan_no + 1 where exists (from unplanned_loads);
    insert into build.planned_loads from unplanned_loads
{%- endmacro %}

{# Everything is rebuilt when it never was built, or when what holds for all rows has changed: the code, its variables, the bots with an overlay. #}
{% macro is_full_build() -%}
    {%- set code_version = dbt_metadata_envs.get('CODE_VERSION') -%}
    {%- set answer = run_query(
        "select is_full or code_version is distinct from " ~ code_version_literal()
        ~ " or variables is distinct from '" ~ variables_hash() ~ "' or overlay_bots <> (" ~ overlay_bots() ~ ") from build.state"
    ) -%}
    {{ return(flags.FULL_REFRESH or answer.rows[0][0] or is_never_built()) }}
{%- endmacro %}

{% macro is_never_built() -%}
    {{ return(adapter.get_relation(target.database, 'intermediate', 'int_bursts') is none) }}
{%- endmacro %}

{# Version of the project's code as the caller states it (environment variable DBT_ENV_CUSTOM_ENV_CODE_VERSION); else the one built with. #}
{% macro code_version_literal() -%}
    {%- set code_version = dbt_metadata_envs.get('CODE_VERSION') -%}
    {{- return("'" ~ code_version ~ "'" if code_version else "(select code_version from build.state)") -}}
{%- endmacro %}

{# Of the variables given on the command line; those of dbt_project.yml are part of the code. #}
{% macro variables_hash() -%}
    {{- return(local_md5(tojson(invocation_args_dict.get('vars', {}), sort_keys=true))) -}}
{%- endmacro %}

{% macro overlay_bots() -%}
    select coalesce(list(distinct path_bot order by path_bot), [])
    from raw.files
    where stream = 'overlay_status' and accepted > 0
{%- endmacro %}

{% macro forget_plan() -%}
    begin;
    create or replace table build.last_plan as
    select
        now() as finished_at,
        (select is_full from build.state) as is_full,
        (select coalesce(list(load_id order by load_id), []) from build.planned_loads) as loads,
        (select coalesce(list(date_ist order by date_ist), []) from build.days) as days,
        (select coalesce(list(run_id order by run_id), []) from build.runs where run_id <> '') as runs;
    insert into build.done_loads select load_id from build.planned_loads;
    update build.state set is_full = false, code_version = {{ code_version_literal() }}, variables = '{{ variables_hash() }}', overlay_bots = ({{ overlay_bots() }});
    delete from build.days;
    delete from build.context_days;
    delete from build.poll_days;
    delete from build.runs;
    delete from build.run_days;
    delete from build.record_days;
    delete from build.bars;
    delete from build.fill_days;
    delete from build.planned_loads;
    commit
{%- endmacro %}

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
    create or replace temp table new_loads as select load_id from build.planned_loads;

    create or replace temp table touched_hours as
    {% for stream in clocked_streams() %}
    select distinct date_trunc('hour', emitted_at) as hour_at from raw."{{ stream }}" where load_id in (from new_loads) union
    {%- endfor %}
    select hour_at from raw.removed_rows where load_id in (from new_loads) and hour_at is not null;

    create or replace temp table touched_days as
    select {{ date_ist("(hour_at - interval 1 hour)") }} as date_ist from touched_hours
    union
    select {{ date_ist("(hour_at + interval 2 hours)") }} as date_ist from touched_hours;

    create or replace temp table record_bars as
    {% for stream in bar_clocked_streams() %}
    select distinct bar_open_at from raw."{{ stream }}" where load_id in (from new_loads) union
    {%- endfor %}
    select bar_open_at from raw.removed_rows where load_id in (from new_loads) and bar_open_at is not null;

    create or replace temp table new_bursts as
    {%- for stream in ['ensemble_log', 'pnl_equity_log'] %}
    select record ->> '$.run_id' as run_id, {{ event_id_instant("record ->> '$.event_id'") }} as bar_open_at
    from raw."{{ stream }}"
    where load_id in (from new_loads)
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
    select record ->> '$.run_id' from raw."{{ stream }}" where load_id in (from new_loads)
    union
    select run_id
    from staging.stg_{{ stream }}
    where date_trunc('hour', emitted_at) in (
        select hour_at from raw.removed_rows where load_id in (from new_loads) and stream = '{{ stream }}'
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

{# Polls repeat the fills of days: all rows of a fill are ranked together, whenever they were polled. #}
{% macro plan_fill_days() -%}
    insert into build.fill_days
    select {{ date_ist("coalesce(" ~ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") ~ ", emitted_at)") }}
    from raw.hyperliquid_fills
    where load_id in (from new_loads)
    union
    select {{ date_ist('coalesce(filled_at, emitted_at)') }}
    from staging.stg_hyperliquid_fills
    where date_trunc('hour', emitted_at) in (
        select hour_at from raw.removed_rows where load_id in (from new_loads) and stream = 'hyperliquid_fills'
    )
    except
    select date_ist from build.fill_days;

    insert into build.poll_days
    select date_ist from touched_days
    union
    select emitted_date_ist
    from staging.stg_hyperliquid_fills
    -- comparing instants first: to tell the day of each fill there ever was would take longest of all
    where coalesce(filled_at, emitted_at) >= (select min(date_ist) from build.fill_days) - interval 1 day
        and {{ date_ist('coalesce(filled_at, emitted_at)') }} in (from build.fill_days)
    except
    select date_ist from build.poll_days;
{%- endmacro %}
