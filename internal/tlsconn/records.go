package tlsconn

// headerLen is the length of a record's header (RFC 8446 section 5.1): type,
// version, and the length of what follows in two bytes.
const headerLen = 5

// records follows a stream from record to record, to know how many bytes of one
// that is not whole have been given to crypto/tls.
type records struct {
	inside int    // bytes of the record that is not whole
	length uint16 // of its body, once the header is whole
}

// pass notes what is given.
func (r *records) pass(p []byte) {
	for len(p) > 0 {
		if r.inside < headerLen {
			switch r.inside {
			case 3:
				r.length = uint16(p[0]) << 8
			case 4:
				r.length |= uint16(p[0])
			}
			r.inside++
			p = p[1:]
			if r.inside == headerLen && r.length == 0 {
				r.inside = 0
			}
			continue
		}
		missing := headerLen + int(r.length) - r.inside
		step := min(missing, len(p))
		r.inside += step
		if step == missing {
			r.inside = 0
		}
		p = p[step:]
	}
}
