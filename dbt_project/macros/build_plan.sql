{#
    When a plan is made, what was built for it, and when it is done (docs/decisions/incremental_builds.md); what it covers is in
    build_plan_days.sql. Schema `build`:

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
            {%- do run_query(plan_poll_days()) -%}
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

{# True for the rows that the plan's loads brought, by literals: only these let DuckDB skip what is older than the first of them. #}
{% macro of_planned_loads(column='load_id') -%}
    {%- set loads = asked_once("select load_id from build.planned_loads order by load_id") | map(attribute=0) | list -%}
    {%- if loads -%} ({{ column }} >= '{{ loads[0] }}' and {{ column }} in ('{{ loads | join("', '") }}'))
    {%- else -%} false
    {%- endif -%}
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
