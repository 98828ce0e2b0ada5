with indicators as (

    select * from {{ ref('indicators') }}

),

sets as (

    select * from {{ ref('indicator_sets') }}

),

listed_members as (

    select * from {{ ref('indicator_set_members') }}

),

sanctions as (

    select * from {{ ref('sanctions') }}

),

assessed as (

    select * from {{ ref('iaf_indicators') }}

),

risk_links as (

    select * from {{ ref('risk_indicators') }}

),

members as (

    select
        set_id,
        indicator_id,
        min(stated_order) as stated_order
    from (
        select
            indicator_set as set_id,
            indicator_id,
            null::integer as stated_order
        from indicators
        where indicator_set is not null

        union all

        select
            set_id,
            indicator_id,
            sort_order as stated_order
        from listed_members

        union all

        select distinct
            'sanctions' as set_id,
            indicator_id,
            null::integer as stated_order
        from sanctions

        union all

        select distinct
            'iaf' as set_id,
            indicator_id,
            null::integer as stated_order
        from assessed

        union all

        select distinct
            'board_assurance' as set_id,
            indicators.indicator_id,
            null::integer as stated_order
        from risk_links
        inner join indicators
            on
                risk_links.indicator_id = indicators.indicator_id
                or risk_links.indicator_set = indicators.indicator_set
    )
    group by set_id, indicator_id

)

select
    members.set_id,
    -- A set that an analyst begins in the catalogue has its id for a name until it is given one.
    coalesce(
        sets.set_name,
        upper(left(members.set_id, 1)) || replace(substr(members.set_id, 2), '_', ' ')
    ) as set_name,
    members.indicator_id,
    -- As the paper lists them, then by group, numbers within a name as numbers: WCS2 before WCS10.
    row_number() over (
        partition by members.set_id
        order by
            members.stated_order nulls last,
            indicators.indicator_group,
            regexp_extract(members.indicator_id, '^\D*'),
            try_cast(regexp_extract(members.indicator_id, '^\D*(\d+)', 1) as integer) nulls first,
            members.indicator_id
    ) as sort_order
from members
inner join indicators using (indicator_id)
left join sets using (set_id)
