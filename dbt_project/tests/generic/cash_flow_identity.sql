{#
    The results of a book's trades are its cash flow plus what its open inventory cost: nothing is lost in the ledger and
    nothing is counted twice. Exact, per book, both ways; with fees where all of them are known (the model has net_pnl_usd).
#}
{% test cash_flow_identity(model, fills, side='side', direction='direction', gross='gross_pnl_usd', net='net_pnl_usd') %}
with cash as (
    select
        book_id,
        sum(case when upper({{ side }}) = 'BUY' then -notional_usd else notional_usd end) as cash_usd,
        sum(case when upper({{ side }}) = 'BUY' then qty else -qty end) as held_qty
        {%- if net %},
        case when count(fee_usd) = count(*) then sum(fee_usd) end as fees_usd
        {%- endif %}
    from {{ fills }}
    where ledger_null_reason is null
    group by book_id
),

trades as (
    select
        book_id,
        sum({{ gross }}) as gross_pnl_usd,
        sum(case {{ direction }} when 'LONG' then open_cost_usd else -open_cost_usd end) as inventory_usd,
        sum(case {{ direction }} when 'LONG' then entry_qty - exit_qty else exit_qty - entry_qty end) as held_qty
        {%- if net %},
        case when count({{ net }}) = count(*) then sum({{ net }}) end as net_pnl_usd
        {%- endif %}
    from {{ model }}
    group by book_id
)

select *
from cash
full outer join trades using (book_id)
where gross_pnl_usd is distinct from cash_usd + inventory_usd
    or cash.held_qty is distinct from trades.held_qty
    {%- if net %}
    or net_pnl_usd is distinct from cash_usd + inventory_usd - fees_usd
    {%- endif %}
{% endtest %}
