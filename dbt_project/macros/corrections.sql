{#- Whether a correction is of the figures of a row: same indicator, organisation and period. -#}
{% macro is_correction_of(correction, counts) -%}
    {{ counts }}.dataset = {{ correction }}.dataset
            and {{ counts }}.indicator_id = {{ correction }}.indicator_id
            and {{ counts }}.org_code = {{ correction }}.org_code
            and {{ counts }}.org_level = {{ correction }}.org_level
            and {{ counts }}.period_type = {{ correction }}.period_type
            and {{ counts }}.period_start = {{ correction }}.period_start
{%- endmacro %}

{#- What a reader of a corrected figure must know; null where there is no correction. -#}
{% macro correction_in_words(correction) -%}
    case
                when {{ correction }}.corrected_value is not null
                    then {{ correction }}.corrected_count || ' corrected from '
                    || {{ plain_number(correction ~ '.expected_value') }} || ' to '
                    || {{ plain_number(correction ~ '.corrected_value') }} || ': ' || {{ correction }}.what_is_wrong
                    || ' (agreed by ' || {{ correction }}.agreed_by || ')'
            end
{%- endmacro %}
