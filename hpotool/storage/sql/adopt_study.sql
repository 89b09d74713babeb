-- A study of plain Optuna gets its settings row: no budget, running.
INSERT INTO hpotool.study_settings (study_id) VALUES (%(study_id)s) ON CONFLICT (study_id) DO NOTHING
