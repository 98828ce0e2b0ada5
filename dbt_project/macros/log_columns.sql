{#-
    Logs the columns of the model just built, and of its parents, as the one line of JSON from which Dagster draws column
    schema and column lineage (dagster_dbt reads it from dbt's log). CCG_LOG_COLUMNS is `own`, or `with parents` for the
    lineage, whose drawing takes longer than the build; it is left out for models with meta `has_column_lineage: false`.
    The variable is asked for only as models are built: dbt parses again whatever asked for one that has changed.
-#}
{% macro log_columns() -%}
    {%- set wanted = env_var('CCG_LOG_COLUMNS', '') if execute else '' -%}
    {%- if wanted -%}
        {%- set logged = {'columns': ccg_metrics.columns_of(this)} -%}
        {%- if wanted == 'with parents' and model.config.meta.get('has_column_lineage', true) -%}
            {%- set parents = {} -%}
            {%- for unique_id in model.depends_on.nodes -%}
                {%- set parent = graph.nodes.get(unique_id) or graph.sources.get(unique_id) -%}
                {%- set relation = api.Relation.create(
                    database=parent.database, schema=parent.schema, identifier=parent.alias or parent.identifier
                ) -%}
                {%- do parents.update({parent.relation_name: {'columns': ccg_metrics.columns_of(relation)}}) -%}
            {%- endfor -%}
            {%- do logged.update({'parents': parents}) -%}
        {%- endif -%}
        {%- do log(tojson(logged), info=true) -%}
    {%- endif -%}
{%- endmacro %}

{% macro columns_of(relation) -%}
    {%- set columns = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do columns.update({column.name: {'data_type': column.dtype}}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
