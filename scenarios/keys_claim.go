package scenarios

// The grammar of claims; see keys.go.

type rawClaim struct {
	section
	ID        text      `json:"id" form:"name" example:"proxytimeout-idle" jsonschema:"What the claim is called on the command line and in docs/claims.md."`
	Says      text      `json:"says" example:"ProxyTimeout 300 keeps an idle socket for 300 s" jsonschema:"What guides say, in a sentence."`
	Each      eachParam `json:"each,omitempty" jsonschema:"A param and its values: wsgauge claims runs the file once with each of them, and each run has its verdict."`
	Rules     ruleList  `json:"rules" jsonschema:"Tried in order. The first whose expressions all hold gives the verdict."`
	Otherwise text      `json:"otherwise" jsonschema:"What is said when no rule holds: the verdict is inconclusive then. It may hold placeholders, as because does."`
}

type rawRule struct {
	section
	Verdict word       `json:"verdict" words:"holds|in_part|does_not_hold" example:"holds" jsonschema:"The verdict that the rule gives. in_part is for what holds under a condition, which because names."`
	When    claimTexts `json:"when" jsonschema:"Expressions, which all have to hold."`
	Because text       `json:"because" jsonschema:"Why, in a sentence with the figures that show it: {event.load.response_time.p99} is replaced by what was measured, {A / B} by how many times as much, {A - B} by how much more."`
}
