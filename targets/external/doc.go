// Package external is the target that runs already: wsgauge neither starts nor stops it
// and changes nothing of it. It knows where the target is, how to talk to it, and what of
// it can be watched from here. What cannot is not known, and is never taken for zero.
package external
