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
    Ids of extracts, as they are when the query is compiled. A filter that names them reaches the scan of the raw rows; one
    that asks for them in a subquery reads the rows of ten years.
-#}
{% macro extract_ids(condition) -%}
    {%- set extracts = source('raw', 'extracts') -%}
    {%- set found = [] -%}
    {%- if execute -%}
        {%- set query = "select extract_id from " ~ extracts ~ " where " ~ condition ~ " order by extract_id" -%}
        {%- for row in run_query(query) -%}{%- do found.append(row[0]) -%}{%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{#- Those of a dataset that are loaded and that no publication holds yet. -#}
{% macro new_extracts(dataset) -%}
    {{ return(extract_ids("dataset = '" ~ dataset ~ "' and outcome = 'loaded' and not is_published")) }}
{%- endmacro %}

{#-
    The rows of those extracts in a model, for tests of rows that never change once they are loaded; all rows where no
    dataset is named, and in a full refresh, as when the project has changed. DuckDB carries `=` through the joins of a
    view, and `in` not; past some extracts it is quicker to read all of them once.
-#}
{% macro rows_of_new_extracts(model, dataset) -%}
    {%- if not dataset or flags.FULL_REFRESH -%}
        select * from {{ model }}
    {%- else -%}
        {%- set extracts = new_extracts(dataset) -%}
        {%- if not extracts -%}
            select * from {{ model }} where false
        {%- elif extracts | length > 12 -%}
            select * from {{ model }} where extract_id in ('{{ extracts | join("', '") }}')
        {%- else -%}
            {%- for extract_id in extracts %}
            select * from {{ model }} where extract_id = '{{ extract_id }}'
            {{- " union all" if not loop.last }}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
