-- Events after an id, oldest first; perhaps of one trial, perhaps only the last so many.
SELECT event_id, at, kind, number, actor, from_state, to_state, reason
FROM (
    SELECT * FROM hpotool.events
    WHERE study_id = %(study_id)s AND event_id > %(after)s AND (%(number)s::integer IS NULL OR number = %(number)s)
    ORDER BY event_id DESC LIMIT %(last)s
) newest
ORDER BY event_id
