{#- The project itself is the source: there is nothing to import. -#}
select
    columns.table_name::varchar as table_name,
    columns.table_title::varchar as table_title,
    columns.sheet_name::varchar as sheet_name,
    columns.table_order::integer as table_order,
    columns.table_months::varchar as table_months,
    columns.is_in_workbook::boolean as is_in_workbook,
    columns.table_description::varchar as table_description,
    columns.column_name::varchar as column_name,
    columns.column_order::integer as column_order,
    columns.data_type::varchar as data_type,
    columns.description::varchar as description,
    columns.null_shorthand::varchar as null_shorthand
from (
    values
    {{ published_columns() | join(',\n    ') if execute else '(' ~ (['null'] * 12) | join(', ') ~ ')' }}
) as columns (
    table_order, column_order, is_in_workbook, table_name, table_title, sheet_name, table_months, table_description, column_name,
    data_type, description, null_shorthand
)
