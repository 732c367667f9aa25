package runner

import (
	"wsgauge/results"
	"wsgauge/scenarios"
)

// ClaimRecord is a scenario's claim as run.json holds it; nil of none.
func ClaimRecord(c *scenarios.Claim) *results.Claim {
	if c == nil {
		return nil
	}
	r := &results.Claim{ID: c.ID, Says: c.Says, Param: c.Param, Otherwise: c.Otherwise}
	for _, rule := range c.Rules {
		r.Rules = append(r.Rules, results.ClaimRule(rule))
	}
	return r
}
