{#
    The lot ledger, shared by the bots' own fills and the tracked wallets' fills. A book is what nets against itself.

    positioned_fills(fills, carried): CTEs up to `positioned`, which adds to `fills` (fill_id, book_id, filled_at, emitted_at,
    source_file, line_no, side_sign, fill_qty, is_valid) the order of fills, the position before and after, and whether
    that order is ambiguous: fills of one book at one exchange instant that differ in side or take the position through flat.
    `carried` (book_id, carried_fill_no, carried_qty) tells where the books stood before these fills; without it they start flat.
#}
{% macro positioned_fills(fills, carried=none) -%}
    signed as (
        select
            *,
            row_number() over (partition by book_id order by filled_at, emitted_at, source_file, line_no)
            {%- if carried %} + coalesce(carried_fill_no, 0){% endif %} as fill_no,
            case when is_valid then side_sign * fill_qty else 0 end as signed_qty
        from {{ fills }}
        {%- if carried %}
        left join {{ carried }} using (book_id)
        {%- endif %}
    ),

    running as (
        select
            *,
            cast(
                sum(signed_qty) over (partition by book_id order by fill_no rows between unbounded preceding and current row)
                {%- if carried %} + coalesce(carried_qty, 0){% endif %}
                as decimal(28, 10)
            ) as position_after_qty,
            count(*) over same_instant as fills_at_instant,
            min(side_sign) over same_instant <> max(side_sign) over same_instant as has_both_sides
        from signed
        window same_instant as (partition by book_id, filled_at)
    ),

    stepped as (
        select *, cast(position_after_qty - signed_qty as decimal(28, 10)) as position_before_qty
        from running
    ),

    positioned as (
        select
            * exclude (fills_at_instant, has_both_sides),
            fills_at_instant > 1 and (
                coalesce(has_both_sides, true)
                or (
                    min(least(position_before_qty, position_after_qty)) over (partition by book_id, filled_at) < 0
                    and max(greatest(position_before_qty, position_after_qty)) over (partition by book_id, filled_at) > 0
                )
            ) as is_order_ambiguous
        from stepped
    )
{%- endmacro %}

{#
    fill_parts(fills): CTEs up to `parts`, one row per fill and part: a fill that goes through flat is two parts, the closing
    one first. `fills` has fill_id, book_id, fill_no, filled_at, emitted_at, fill_px, fill_qty, side_sign, is_valid, fee_usd,
    impact_usd, slippage_usd, position_before_qty, position_after_qty. An episode runs from flat to flat, or to a flip; amounts of a split fill go
    by quantity.
#}
{% macro fill_parts(fills) -%}
    split as (
        select
            *,
            case
                when position_before_qty * side_sign >= 0 then 0
                else least(fill_qty, abs(position_before_qty))
            end as exit_qty
        from {{ fills }}
        where is_valid
    ),

    unnumbered_parts as (
        select *, 1 as part_no, 'EXIT' as role, exit_qty as part_qty, cast(0 as decimal(28, 10)) as from_qty
        from split
        where exit_qty > 0
        union all
        select
            *, case when exit_qty > 0 then 2 else 1 end as part_no, 'ENTRY' as role,
            fill_qty - exit_qty as part_qty, exit_qty as from_qty
        from split
        where fill_qty > exit_qty
    ),

    shared_parts as (
        select
            *,
            sum(case when role = 'ENTRY' and (part_no = 2 or position_before_qty = 0) then 1 else 0 end) over (
                partition by book_id order by fill_no, part_no rows between unbounded preceding and current row
            ) as episode_no
            {%- for amount in ['fee_usd', 'impact_usd', 'slippage_usd'] %},
            {{ exact_share(amount, '(from_qty + part_qty)', 'fill_qty') }} - {{ exact_share(amount, 'from_qty', 'fill_qty') }}
                as part_{{ amount }}
            {%- endfor %}
        from unnumbered_parts
    ),

    -- quantities in the order of their role: overlapping intervals of entries and exits are the FIFO legs
    cumulated as (
        select
            *,
            first_value(fill_id) over episode_order as opening_fill_id,
            first_value(part_no) over episode_order as opening_part_no,
            first_value(side_sign) over episode_order as direction_sign,
            sum(part_qty) over (
                partition by book_id, episode_no, role order by fill_no, part_no rows between unbounded preceding and current row
            ) as role_qty_to
        from shared_parts
        window episode_order as (
            partition by book_id, episode_no order by fill_no, part_no rows between unbounded preceding and current row
        )
    ),

    parts as (
        select
            md5(concat_ws('|', book_id, opening_fill_id, cast(opening_part_no as varchar))) as trade_id,
            book_id,
            cast(episode_no as bigint) as episode_no,
            fill_id,
            fill_no,
            cast(part_no as bigint) as part_no,
            role,
            direction_sign,
            filled_at,
            emitted_at,
            fill_px as px,
            cast(part_qty as decimal(28, 10)) as part_qty,
            cast(role_qty_to - part_qty as decimal(28, 10)) as role_qty_from,
            cast(role_qty_to as decimal(28, 10)) as role_qty_to,
            cast(part_fee_usd as decimal(28, 10)) as part_fee_usd,
            cast(part_impact_usd as decimal(28, 10)) as part_impact_usd,
            cast(part_slippage_usd as decimal(28, 10)) as part_slippage_usd,
            position_before_qty,
            position_after_qty,
            is_order_ambiguous
        from cumulated
    )
{%- endmacro %}

{#
    The legs of the trades: `parts` as fill_parts makes them. CTEs up to `legs`, one row per entry part and exit part that
    meet, with its quantity, money at both ends (DECIMAL(38,20), exact) and its pieces of the two fees.

    fifo_legs: the oldest open quantity leaves first. Ends of entries and exits on one line of quantity cut it into legs, so
    a leg belongs to the first entry and the first exit that reach its end: sorting instead of joining ranges.
#}
{% macro fifo_legs(parts) -%}
    exited as (
        select trade_id, max(role_qty_to) as exited_qty
        from {{ parts }}
        where role = 'EXIT'
        group by trade_id
    ),

    cuts as (
        select
            parts.trade_id,
            parts.role_qty_to as qty_to,
            max(case when role = 'ENTRY' then fill_no end) as entry_fill_no,
            max(case when role = 'EXIT' then fill_no end) as exit_fill_no
        from {{ parts }} as parts
        inner join exited using (trade_id)
        group by parts.trade_id, parts.role_qty_to
    ),

    covered as (
        select
            trade_id,
            coalesce(lag(qty_to) over (partition by trade_id order by qty_to), 0) as qty_from,
            qty_to,
            last_value(entry_fill_no ignore nulls) over backwards as entry_fill_no,
            last_value(exit_fill_no ignore nulls) over backwards as exit_fill_no
        from cuts
        window backwards as (partition by trade_id order by qty_to desc rows between unbounded preceding and current row)
    ),

    leg_ends as (
        select covered.*, qty_to - qty_from as qty
        from covered
        inner join exited using (trade_id)
        where qty_to <= exited_qty
    ),

    legs as (
        select
            leg_ends.trade_id,
            row_number() over (partition by leg_ends.trade_id order by leg_ends.qty_to) as leg_no,
            entries.book_id,
            entries.direction_sign,
            entries.fill_id as entry_fill_id,
            exits.fill_id as exit_fill_id,
            entries.filled_at as opened_at,
            exits.filled_at as closed_at,
            cast(leg_ends.qty as decimal(28, 10)) as qty,
            cast(entries.px * cast(leg_ends.qty as decimal(28, 10)) as decimal(38, 20)) as entry_notional_usd,
            cast(exits.px * cast(leg_ends.qty as decimal(28, 10)) as decimal(38, 20)) as exit_notional_usd,
            {%- for side in ['entries', 'exits'] %}
            {{ exact_share(side ~ '.part_fee_usd', '(leg_ends.qty_to - ' ~ side ~ '.role_qty_from)', side ~ '.part_qty') }}
            - {{ exact_share(side ~ '.part_fee_usd', '(leg_ends.qty_from - ' ~ side ~ '.role_qty_from)', side ~ '.part_qty') }}
                as {{ 'entry' if side == 'entries' else 'exit' }}_fee_usd
            {{- "," if not loop.last }}
            {%- endfor %}
        from leg_ends
        inner join {{ parts }} as entries
            on leg_ends.trade_id = entries.trade_id and entries.role = 'ENTRY' and leg_ends.entry_fill_no = entries.fill_no
        inner join {{ parts }} as exits
            on leg_ends.trade_id = exits.trade_id and exits.role = 'EXIT' and leg_ends.exit_fill_no = exits.fill_no
    )
{%- endmacro %}

{#
    average_legs: one leg per exit part, out of the pool of all open quantity at its average cost; entry_fill_id is NULL. An
    exit takes the same fraction of the pool's cost and fees as of its quantity. What is left after every part is rounded
    at 1e-10 and nothing is left at flat, so the legs of a closed trade add up to its entries exactly.
#}
{% macro average_legs(parts) -%}
    held as (
        select
            *,
            case role when 'ENTRY' then px * part_qty else 0 end as added_usd,
            case role when 'ENTRY' then part_fee_usd else 0 end as added_fee_usd,
            sum(case role when 'ENTRY' then part_qty else -part_qty end) over trade_order as held_after_qty
        from {{ parts }}
        window trade_order as (
            partition by trade_id order by fill_no, part_no rows between unbounded preceding and current row
        )
    ),

    -- share of the pool that the exits so far have left, as a sum of logarithms; the exit that empties it needs none
    left_over as (
        select
            *,
            sum(
                case
                    when role = 'EXIT' and held_after_qty > 0
                        then cast(ln(cast(held_after_qty as double) / cast(held_after_qty + part_qty as double)) as decimal(38, 18))
                    else 0
                end
            ) over trade_order as log_left
        from held
        window trade_order as (
            partition by trade_id order by fill_no, part_no rows between unbounded preceding and current row
        )
    ),

    pooled as (
        select
            *,
            sum(added_usd) over trade_order as entered_usd,
            sum(added_fee_usd) over trade_order as entered_fee_usd,
            {%- for amount in ['usd', 'fee_usd'] %}
            case
                when held_after_qty = 0 then 0
                else cast(round(
                    exp(cast(log_left as double))
                    * cast(sum(cast(cast(added_{{ amount }} as double) * exp(-cast(log_left as double)) as decimal(38, 12))) over trade_order as double),
                    10
                ) as decimal(28, 10))
            end as pool_{{ amount }}
            {{- "," if not loop.last }}
            {%- endfor %}
        from left_over
        window trade_order as (
            partition by trade_id order by fill_no, part_no rows between unbounded preceding and current row
        )
    ),

    begun as (select *, min(filled_at) over (partition by trade_id) as opened_at from pooled),

    -- what left since the exit before: the rounding of an entry is in the next exit
    released as (
        select
            *,
            entered_usd - pool_usd - coalesce(lag(entered_usd - pool_usd) over exit_order, 0) as released_usd,
            entered_fee_usd - pool_fee_usd - coalesce(lag(entered_fee_usd - pool_fee_usd) over exit_order, 0) as released_fee_usd
        from begun
        where role = 'EXIT'
        window exit_order as (partition by trade_id order by fill_no, part_no)
    ),

    legs as (
        select
            trade_id,
            row_number() over (partition by trade_id order by fill_no, part_no) as leg_no,
            book_id,
            direction_sign,
            cast(null as varchar) as entry_fill_id,
            fill_id as exit_fill_id,
            opened_at,
            filled_at as closed_at,
            part_qty as qty,
            cast(released_usd as decimal(38, 20)) as entry_notional_usd,
            cast(px * part_qty as decimal(38, 20)) as exit_notional_usd,
            cast(released_fee_usd as decimal(28, 10)) as entry_fee_usd,
            part_fee_usd as exit_fee_usd
        from released
    )
{%- endmacro %}

{# CTEs up to `legs` by the configured matching. #}
{% macro lot_legs(parts) -%}
    {%- if var('lot_matching') == 'fifo' -%}
        {{ fifo_legs(parts) }}
    {%- elif var('lot_matching') == 'average' -%}
        {{ average_legs(parts) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("lot_matching is '" ~ var('lot_matching') ~ "': set it to fifo or average.") }}
    {%- endif -%}
{%- endmacro %}
