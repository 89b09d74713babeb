-- An intermediate value as a float.
case intermediate_value_type
    when 'INF_POS' then 'Infinity' when 'INF_NEG' then '-Infinity' when 'NAN' then 'NaN' else intermediate_value
end
