"""Values, rules, verdicts and state tables: functions of facts and time, nothing else."""
