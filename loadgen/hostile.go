package loadgen

// Behaviours are the ways in which a client can offend against the protocol
// ([ConnectPlan].Behave).
func Behaviours() []string {
	return []string{"slow_head", "garbage", "never_read", "huge_claim", "early_bytes"}
}
