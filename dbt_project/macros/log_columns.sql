{#-
    Logs the columns of the model just built, with the types that they have, as the one line of JSON from which Dagster
    draws its column schema (dagster_dbt reads it from dbt's log), where CCG_LOG_COLUMNS is set. The variable is asked for
    only as models are built: dbt parses again whatever asked for one that has changed.
-#}
{% macro log_columns() -%}
    {%- if execute and env_var('CCG_LOG_COLUMNS', '') -%}
        {%- set columns = {} -%}
        {%- for column in adapter.get_columns_in_relation(this) -%}
            {%- do columns.update({column.name: {'data_type': column.dtype}}) -%}
        {%- endfor -%}
        {%- do log(tojson({'columns': columns}), info=true) -%}
    {%- endif -%}
{%- endmacro %}
