package loadgen

// With the pattern broadcast each message goes to every connection of the group,
// which all have joined it at the backend. Who is to get how many is known from the
// schedule, which every worker walks.

// inWindow is set in the due time that a broadcast tells when it lies in the window.
// The receiver may be another process, which reads the window's beginning some
// nanoseconds differently.
const inWindow = 1

// startBroadcast counts those who have joined.
func (s *sending) startBroadcast() {
	s.asked = true
	for _, c := range s.group.conns {
		if c != nil && c.state == open && c.ask != nil && !c.ask.stopping {
			s.receivers++
			s.gathered += c.ask.got
		}
	}
}

// delivered takes a broadcast that came to c. Another agent may have begun the step
// before this one has.
func (c *conn) delivered(a *assembly) {
	w := c.worker
	id, known := a.origin()
	if !known {
		c.rec().Fail("corrupt")
		c.rec().Counts.Corrupt++
		return
	}
	due := id.intended &^ inWindow // 0 where the sender's clock is not the backend's
	if !c.ask.acked || id.intended&inWindow == 0 {
		return
	}
	c.ask.got++
	if s := c.group.step.sending; s != nil && s.group == c.group {
		s.gathered++
	}
	c.rec().Counts.Received++
	c.rec().Counts.Delivered++
	c.rec().Counts.BytesReceived += int64(a.length)
	if due != 0 && c.ask.shared && due <= w.now {
		c.rec().Record(ResponseTime, w.now-due)
	}
	c.group.step.tryDrained()
}

// settleBroadcasts counts who took part to the end. What is missing there only the
// controller can tell: it knows what all agents have sent.
func (s *sending) settleBroadcasts() {
	s.step.rec.Counts.Receivers += s.receivers
	s.step.rec.Counts.ToReceivers += s.gathered
}

// Missing is how many deliveries of a broadcast did not come, by the counts of all
// agents together.
func (c *Counts) Missing() int64 {
	return max(c.Sent*c.Receivers-c.ToReceivers-c.Corrupt, 0)
}
