package apache

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"wsgauge/targets"
)

// ours are the directives that wsgauge reckons with: how many children to wait
// for, where to dial, where to read. In `extra:` they would make it wrong
// without a word. The value is the scenario's key, if there is one.
var ours = map[string]string{
	"serverlimit":              "server_limit",
	"startservers":             "start_servers",
	"threadsperchild":          "threads_per_child",
	"threadlimit":              "thread_limit",
	"maxrequestworkers":        "max_request_workers",
	"maxclients":               "max_request_workers",
	"minsparethreads":          "min_spare_threads",
	"maxsparethreads":          "max_spare_threads",
	"minspareservers":          "min_spare_servers",
	"maxspareservers":          "max_spare_servers",
	"maxconnectionsperchild":   "max_connections_per_child",
	"maxrequestsperchild":      "max_connections_per_child",
	"threadstacksize":          "thread_stack_size",
	"listenbacklog":            "listen_backlog",
	"asyncrequestworkerfactor": "async_request_worker_factor",
	"gracefulshutdowntimeout":  "graceful_shutdown_timeout",
	"listen":                   "",
	"errorlog":                 "",
	"errorlogformat":           "",
	"pidfile":                  "",
	"serverroot":               "",
	"defaultruntimedir":        "",
}

// checkExtra refuses directives that belong to wsgauge.
func checkExtra(extra string) error {
	n := 0
	for line := range strings.Lines(extra) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		key, isOurs := ours[strings.ToLower(fields[0])]
		switch {
		case isOurs && key != "":
			return fmt.Errorf("line %d of `extra:`: %s has a key of its own (write %s: ...)", n, fields[0], key)
		case isOurs:
			return fmt.Errorf("line %d of `extra:`: %s is wsgauge's to set (remove it)", n, fields[0])
		}
	}
	return nil
}

var syntaxLine = regexp.MustCompile(`on line (\d+) of `)

// check has the server read the configuration. Its complaint comes back as it
// was made, with the line of `extra:` when the complaint is of one.
func check(s server, path string, site targets.Site, extraAt int) error {
	out, err := runIn(site.Dir, ownPlace(site), s.path, "-t", "-f", path, "-d", site.Dir)
	if err == nil {
		return nil
	}
	where := ""
	if m := syntaxLine.FindStringSubmatch(out); m != nil && extraAt > 0 {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil && n > extraAt {
			where = fmt.Sprintf(" (line %d of `extra:`)", n-extraAt)
		}
	}
	return fmt.Errorf("%s refuses its configuration%s: %w%s", s.path, where, err, quoted(out))
}
