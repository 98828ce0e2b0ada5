{#-
    Models that are kept from night to night, with rows of their own for each extract: what goes before the new rows come.
    An extract that is no longer loaded goes, and one that no publication holds yet is made anew: it may have been read
    anew since.
-#}
{% macro forget_extracts(dataset) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where extract_id not in (
            select extract_id from {{ source('raw', 'extracts') }}
            where dataset = '{{ dataset }}' and outcome = 'loaded' and is_published
        )
    {%- endif -%}
{%- endmacro %}

{#-
    Rows of extracts that no publication holds yet, for tests of rows that never change once they are loaded; all rows in a
    full refresh, as when the project has changed.
-#}
{% macro is_of_new_extract(extract_id='extract_id') -%}
    {%- if flags.FULL_REFRESH -%}
        true
    {%- else -%}
        {{ extract_id }} in (select extract_id from {{ source('raw', 'extracts') }} where not is_published)
    {%- endif -%}
{%- endmacro %}
