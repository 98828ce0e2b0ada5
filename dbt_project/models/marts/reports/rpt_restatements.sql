with restatements as (

    select * from {{ ref('fct_restatements') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

)

select
    restatements.restated_at,
    restatements.indicator_id,
    indicators.indicator_name,
    restatements.org_code,
    restatements.org_level,
    organisations.org_name,
    organisations.parent_code,
    restatements.period_type,
    restatements.period_start,
    restatements.period_end,
    {{ period_in_words('restatements.period_type', 'restatements.period_start', 'restatements.period_end') }} as period,
    restatements.source,
    restatements.restatement,
    restatements.previous_value,
    coalesce({{ shown(
        'restatements.previous_value', 'restatements.unit',
        'restatements.previous_numerator', 'restatements.previous_denominator'
    ) }}, 'no value') as previous_value_shown,
    restatements.value,
    coalesce({{ shown(
        'restatements.value', 'restatements.unit', 'restatements.numerator', 'restatements.denominator'
    ) }}, 'no value') as value_shown,
    restatements.value_change,
    {{ change_in_words('restatements.value_change', 'indicators.direction') }} as change_verdict,
    restatements.unit,
    restatements.previous_edition,
    restatements.edition,
    restatements.standard,
    {{ standard_in_words('restatements.standard', 'restatements.comparator', 'restatements.unit') }} as standard_shown,
    restatements.was_met,
    restatements.is_met,
    restatements.breach_change,
    coalesce(organisations.org_name, restatements.org_code) || ': ' || indicators.indicator_name || ', '
    || {{ period_in_words('restatements.period_type', 'restatements.period_start', 'restatements.period_end') }}
    || case restatements.restatement
        when 'added' then ', is new: ' || value_shown
        when 'withdrawn' then ', is withdrawn; it was ' || previous_value_shown
        when 'counts changed' then ', stays ' || value_shown || ' on other counts'
        else ', is now ' || value_shown || '; it was ' || previous_value_shown
    end
    || case restatements.breach_change
        when 'appeared' then ', and the standard is no longer met'
        when 'vanished' then ', and the standard is not broken any more'
        else ''
    end || '.' as narrative
from restatements
inner join indicators using (indicator_id)
left join organisations using (org_code, org_level)
