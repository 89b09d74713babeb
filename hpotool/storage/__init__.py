"""Everything that speaks SQL to a study."""
