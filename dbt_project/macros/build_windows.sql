{#
    The parts of tables that a build reads and writes (macro build_plan says which). A model that is cut by them is
    `incremental` with the strategy `part`; `meta.part` names the kind of cut and the column it is made on:

    days        rows whose `column` lies in one of the plan's IST days of emission
    bars        rows whose `column` is the opening of one of the plan's bars
    bar_span    rows whose `column` lies between the first and the last of them: for what is read for the kind `runs`
    fill_days   rows whose `column` lies in one of the plan's days of execution
    fills_since rows whose `column` lies on or after the first of those days: positions add up from fill to fill
    runs        rows whose `column` is one of the plan's runs. Where the table is large a column is named by which the rest
                is skipped: `bars`, the opening of their bar, or `since`, an instant that is never long before the run's
                first record
    record_days rows whose `column` lies in one of the days of the records that are attributed anew
    run_days    rows whose `column` lies in one of the days of those runs

    Its SQL takes its rows with in_part(), and what it needs around them with near_part(). In a full build both are true.

    It ends with an `order by` on that clock: DuckDB skips what is not in a range only where rows of one time lie together,
    and those of a full build would lie as its joins and windows left them.
#}

{% macro get_incremental_part_sql(arguments) -%}
    {%- set part = config.require('meta')['part'] -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set row_count = run_query("select count(*) from " ~ arguments['temp_relation']).rows[0][0] -%}
    {%- do graph.setdefault('part_rows', {}).update({model.name: row_count}) -%}
    delete from {{ arguments['target_relation'] }} where {{ in_part(**part) }};

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}

{# True for the rows that this build writes. `column` is an instant or a date, or a run for the kind `runs`. #}
{% macro in_part(column, kind='days', bars=none, since=none) -%}
    {%- if not is_partial() -%} true
    {%- elif kind == 'bars' -%} {{ column }} in (select bar_open_at from build.bars)
    {%- elif kind == 'bar_span' -%} {{ between_bars(column) }}
    {%- elif kind == 'fills_since' -%} {{ since_first_fill_day(column) }}
    {%- elif kind == 'runs' -%}
        {{ column }} in (select run_id from build.runs)
        {%- if bars %} and {{ between_bars(bars) }}{% endif -%}
        {%- if since %} and {{ since_first_record(since) }}{% endif -%}
    {%- else -%} {{ in_ranges(column, kind, 0) }}
    {%- endif -%}
{%- endmacro %}

{# True for the rows of the runs that this build writes. #}
{% macro in_runs(run='run_id', bars=none, since=none) -%}
    {{ in_part(run, 'runs', bars, since) }}
{%- endmacro %}

{# True for those rows and for all within `hours` of their days. #}
{% macro near_part(column, hours=1, kind='days') -%}
    {%- if not is_partial() -%} true
    {%- else -%} {{ in_ranges(column, kind, hours) }}
    {%- endif -%}
{%- endmacro %}

{# False where the whole table is built: in a full build, for a table that is not there yet, in a unit test. #}
{% macro is_partial() -%}
    {%- if not execute -%} {{ return(false) }}
    {%- elif model.resource_type == 'test' -%} {{ return(is_part_tested()) }}
    {%- elif model.resource_type != 'model' or not is_incremental() -%} {{ return(false) }}
    {%- endif -%}
    {{ return(not asked_once("select is_full from build.state")[0][0]) }}
{%- endmacro %}

{#
    The rows of a query about the plan, asked once in a command: between plan_build and complete_build no answer changes, and
    nearly every part of every statement asks. A command keeps its answers in `graph`, the one dictionary that all its nodes share.
#}
{% macro asked_once(query) -%}
    {%- set answers = graph.setdefault('build_plan', {}) -%}
    {%- if query not in answers -%}{%- do answers.update({query: run_query(query).rows}) -%}{%- endif -%}
    {{ return(answers[query]) }}
{%- endmacro %}

{#
    Tests of rows and of keys, and those that hold each row against its origin, look at the part that the build wrote when the
    caller asks for it (environment variable DBT_ENV_CUSTOM_ENV_TESTED=part), so that the tests of a tick cost the same with a
    year behind it. All others look at all of a table; and so does every test of a run that does not ask, and one that failed
    the last time: the part in which it did is not that of the next plan. The tests
    of which the answer was yes are noted in build.part_tests.
#}
{% macro is_part_tested() -%}
    {%- set answer = (
        flags.WHICH == 'build'
        and dbt_metadata_envs.get('TESTED') == 'part'
        and model.test_metadata.name in [
            'unique_key', 'one_to_one', 'holds', 'accepted_values', 'same_rows_as_raw', 'covers_entries', 'no_later_calibration',
        ]
        and not asked_once("select is_full from build.state")[0][0]
        and model.name not in (asked_once("select test from build.failed_tests") | map(attribute=0) | list)
    ) -%}
    {%- if answer -%} {%- do graph.setdefault('part_tests', {}).update({model.name: true}) -%} {%- endif -%}
    {{- return(answer) -}}
{%- endmacro %}

{# What dbt puts in place of `model` in a generic test. #}
{% macro get_where_subquery(relation) -%}
    {%- set tested = graph.nodes.get(model.attached_node) if execute else none -%}
    {%- set part = tested.config.meta.get('part') if tested and tested.config.materialized == 'incremental' else none -%}
    {%- if part and is_part_tested() -%}
        (select * from {{ relation }} where {{ in_part(**part) }}) as tested_rows
    {%- else -%}
        {{ default__get_where_subquery(relation) }}
    {%- endif -%}
{%- endmacro %}

{# Neighbouring days as one range, as literals: only these let DuckDB skip the rest of a table without reading it. #}
{% macro in_ranges(column, kind, hours) -%}
    {%- set ranges = asked_once(
        "select min(date_ist), max(date_ist) + 1 from (select date_ist, date_ist - cast(row_number() over (order by date_ist) as integer) as island"
        ~ " from build." ~ kind ~ ") group by island order by island"
    ) -%}
    (
    {%- for first, end in ranges %}
        {{- " or " if not loop.first -}}
        {{ column }} >= timestamptz '{{ first }} 00:00:00+05:30' - interval {{ hours }} hours
        and {{ column }} < timestamptz '{{ end }} 00:00:00+05:30' + interval {{ hours }} hours
    {%- else %}false
    {%- endfor -%}
    )
{%- endmacro %}

{# From the first to the last bar of the plan, as literals for the same reason. #}
{% macro between_bars(column) -%}
    {%- set span = asked_once("select min(bar_open_at)::varchar, max(bar_open_at)::varchar from build.bars")[0] -%}
    {%- if span[0] -%} {{ column }} between timestamptz '{{ span[0] }}' and timestamptz '{{ span[1] }}'
    {%- else -%} false
    {%- endif -%}
{%- endmacro %}

{# On or after the first day whose fills are ranked anew, or at no known instant: such fills stand at the end of their book. #}
{% macro since_first_fill_day(column) -%}
    {%- set first = asked_once("select min(date_ist) from build.fill_days")[0][0] -%}
    {%- if first -%} coalesce({{ column }}, 'infinity') >= timestamptz '{{ first }} 00:00:00+05:30'
    {%- else -%} false
    {%- endif -%}
{%- endmacro %}

{#
    Not before the plan's runs began, as a literal, with a day to spare for what is rounded down to its bucket or day. What a run
    lost may have been its first records: their days are days of the plan.
#}
{% macro since_first_record(column) -%}
    {%- set first = asked_once(
        "select least((select min(first_emitted_at) from intermediate.int_run_spans where run_id in (select run_id from build.runs)),"
        ~ " (select cast(min(date_ist) as timestamptz) from build.days)) - interval 1 day"
    )[0][0] -%}
    {%- if first -%} {{ column }} >= timestamptz '{{ first }}'
    {%- else -%} true
    {%- endif -%}
{%- endmacro %}
