"""The audit document of any period, regenerated from the marts: every number with the query it comes from."""
