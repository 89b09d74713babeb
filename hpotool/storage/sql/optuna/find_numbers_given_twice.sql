-- The numbers that more than one trial of a study has, by the study's name.
select study_name, array_agg(number order by number)
from (
    select study_id, number from trials where number is not null group by study_id, number having count(*) > 1
) twice
join studies using (study_id)
group by study_name
order by study_name
