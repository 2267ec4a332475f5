{# Every decision and every own execution is there once, and nothing else. #}
{% test covers_entries(model) %}
with entered as (select entry_kind, entry_id, decision_id, source_file, line_no from {{ model }}),

expected as (
    select 'decision' as entry_kind, decision_id, cast(null as varchar) as source_file, cast(null as bigint) as line_no
    from {{ ref('int_decisions') }}
    where {{ in_runs(bars='bar_open_at') }}
    union all
    select 'execution', decision_id, source_file, line_no from {{ ref('stg_execution_log') }} where {{ in_runs() }}
)

(
    select entry_kind, decision_id, source_file, line_no from entered
    except all
    select entry_kind, decision_id, source_file, line_no from expected
)
union all
(
    select entry_kind, decision_id, source_file, line_no from expected
    except all
    select entry_kind, decision_id, source_file, line_no from entered
)
{% endtest %}
