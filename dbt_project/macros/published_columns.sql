{#-
    The columns of every mart as the project describes them, one row of SQL literals each, in the order of the columns
    of `dim_columns`. What a pack shows of a table and how is meta: `publish` of a model has the title of the table, the
    name of its sheet (and files), its place, which months
    it has there and whether it is in the workbook; `when_null` of a column is the shorthand for a cell without figure.
-#}
{% macro published_columns() -%}
    {%- set rows = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'marts' -%}
        {%- set publish = node.config.meta.get('publish') or {} -%}
        {%- for column in node.columns.values() -%}
            {%- set texts = [
                node.name, publish.get('title'), publish.get('sheet'), publish.get('months', 'all') if publish,
                node.description, column.name, column.data_type, column.description, column.config.meta.get('when_null'),
            ] -%}
            {%- set cells = [publish.get('order', 'null'), loop.index, publish.get('workbook', true) if publish else 'null'] -%}
            {%- for text in texts -%}
                {%- do cells.append(dbt.string_literal(dbt.escape_single_quotes(text)) if text else 'null') -%}
            {%- endfor -%}
            {%- do rows.append('(' ~ cells | join(', ') ~ ')') -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(rows) }}
{%- endmacro %}
