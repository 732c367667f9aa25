package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wsgauge/internal/runner"
	"wsgauge/report/claim"
	"wsgauge/results"
	"wsgauge/scenarios"
)

type claimsOptions struct {
	list     bool
	out      string
	write    string
	from     []string
	realtime string
	maxSteal string
}

func newClaims(s streams) *cobra.Command {
	var o claimsOptions
	c := &cobra.Command{
		Use:   "claims [ID...]",
		Short: "Measure what guides claim of Apache and WebSocket",
		Long: `claims runs the scenarios of what guides claim, each into a directory of its own, and
decides each by the rules that stand in its scenario: it holds, holds in part, does not
hold, or is inconclusive. Without IDs all of them are measured, which takes less than 20
minutes on two CPUs.

Exit codes: 0 every claim was decided, whichever way; 1 one could not be measured;
2 usage; 4 one is inconclusive; 130 interrupted (what was measured is saved).`,
		Example: `  wsgauge claims --list
  wsgauge claims heartbeat sixty-seconds
  wsgauge claims --write docs/claims.md
  wsgauge claims --from results/20261125T120000Z-claims --write docs/claims.md`,
		RunE: func(c *cobra.Command, ids []string) error { return runClaims(c.Context(), s, ids, o) },
	}
	c.Flags().BoolVar(&o.list, "list", false, "list the claims, and how long each takes")
	c.Flags().StringVar(&o.out, "out", "", "the `DIR` that gets a directory for each claim (default: results/<UTC time>-claims)")
	c.Flags().StringVar(&o.write, "write", "", "write the claims and what they came to as a page, `FILE`, in Markdown")
	c.Flags().StringArrayVar(&o.from, "from", nil, "run nothing; take the records below `DIR`, decided by this version's rules.\nMay be repeated: of a claim that is in several the last one counts")
	c.Flags().StringVar(&o.realtime, "realtime", "", "as of run")
	addMaxSteal(c, &o.maxSteal)
	return c
}

func runClaims(ctx context.Context, s streams, ids []string, o claimsOptions) error {
	switch {
	case o.list && (len(o.from) > 0 || o.out != "" || o.write != ""):
		return usage(errors.New("--list goes with no other flag"))
	case len(o.from) > 0 && o.out != "":
		return usage(errors.New("--from runs nothing, so that there is nothing to put into --out"))
	}
	list, err := chosenClaims(ids)
	if err != nil {
		return usage(err)
	}
	if o.list {
		return listClaims(s, list)
	}
	if len(o.from) > 0 {
		return claimsFrom(s, list, o)
	}
	m, err := newClaimsRun(s, list, o)
	if err != nil {
		return err
	}
	// As of run: who closes standard output early loses what is printed there alone.
	closed := make(chan os.Signal, 1)
	signal.Notify(closed, syscall.SIGPIPE)
	defer signal.Stop(closed)
	rows, err := m.all(ctx)
	if werr := showClaims(s, rows, o.write); werr != nil {
		err = errors.Join(err, werr)
	}
	fmt.Fprintf(s.out, "records: %s\n", m.out)
	if ctx.Err() != nil {
		return &codedError{exitInterrupted, err}
	}
	return claimsEnding(rows, err)
}

// chosenClaims are the shipped scenarios of the ids, of all without any.
func chosenClaims(ids []string) ([]*scenarios.Scenario, error) {
	var known []string
	for _, i := range scenarios.Claims() {
		known = append(known, i.Name)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("there is no claim %q; there are %s", id, strings.Join(known, ", "))
		}
	}
	var list []*scenarios.Scenario
	for _, id := range known {
		if len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		sc, err := loadClaim(id, "", "")
		if err != nil {
			return nil, err
		}
		list = append(list, sc)
	}
	return list, nil
}

// loadClaim reads a shipped claim, with a value of the param that it varies.
func loadClaim(id, param, value string) (*scenarios.Scenario, error) {
	var o scenarios.Options
	if param != "" {
		o.Set = map[string]string{param: value}
	}
	return scenarios.Load("claims/"+id, o)
}

func listClaims(s streams, list []*scenarios.Scenario) error {
	w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	var sum time.Duration
	for _, sc := range list {
		sum += claimTime(sc)
		fmt.Fprintf(w, "%s\t%s\t%s\n", sc.Claim.ID, left(claimTime(sc)), sc.Claim.Says)
	}
	fmt.Fprintf(w, "\t%s\tin all\n", left(sum))
	return w.Flush()
}

// claimTime estimates how long a claim takes, from what its steps ask for.
func claimTime(sc *scenarios.Scenario) time.Duration {
	const around = 3 * time.Second // starting, stopping and reporting, each trial
	trials := len(sc.Targets) * sc.Blocks * max(len(sc.Claim.Values), 1)
	return time.Duration(trials) * (sc.Duration() + around)
}

// claimsRun is one invocation: claims one after the other.
type claimsRun struct {
	s        streams
	list     []*scenarios.Scenario
	out      string
	exe      string
	realtime *runner.Realtime
	steal    float64
	planned  time.Duration // of all
	done     time.Duration // what was planned for those that are over
	took     time.Duration // what they took
}

func newClaimsRun(s streams, list []*scenarios.Scenario, o claimsOptions) (*claimsRun, error) {
	m := &claimsRun{s: s, list: list, out: o.out}
	var err error
	if m.realtime, err = realtimeShares(o.realtime); err != nil {
		return nil, err
	}
	if m.steal, err = maxSteal(o.maxSteal); err != nil {
		return nil, err
	}
	if m.exe, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding this executable, which is to start its parts: %w", err)
	}
	if m.out == "" {
		m.out = filepath.Join("results", time.Now().UTC().Format("20060102T150405Z")+"-claims")
	}
	if entries, err := os.ReadDir(m.out); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("--out %s is not empty; give a directory that is, or does not exist", m.out)
	}
	if err := os.MkdirAll(m.out, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory for records: %w", err)
	}
	for _, sc := range list {
		m.planned += claimTime(sc)
	}
	return m, nil
}

// all measures the claims until the context ends. The error joins those of claims that
// could not be measured; the others are measured all the same.
func (m *claimsRun) all(ctx context.Context) ([]claim.Row, error) {
	var rows []claim.Row
	var errs []error
	for i, sc := range m.list {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(m.s.out, "== [%d/%d] %s, about %s left: %s\n", i+1, len(m.list), sc.Claim.ID, left(m.left()), sc.Claim.Says)
		begun := time.Now()
		row, err := m.measure(ctx, sc)
		if ctx.Err() != nil {
			errs = append(errs, err)
			break // it is not whole
		}
		m.done += claimTime(sc)
		m.took += time.Since(begun)
		if err != nil {
			errs = append(errs, fmt.Errorf("claim %s: %w", sc.Claim.ID, err))
		}
		if err != nil && row.Verdict == "" {
			row.NotMeasured = err.Error()
		} else {
			fmt.Fprintf(m.s.out, "   %s: %s\n", claim.Say(row.Verdict), row.Why)
		}
		rows = append(rows, row)
	}
	return rows, errors.Join(errs...)
}

// left estimates the time until all are measured, from how long the others took beside
// what was planned for them.
func (m *claimsRun) left() time.Duration {
	rest := m.planned - m.done
	if m.done == 0 {
		return rest
	}
	return time.Duration(float64(rest) * float64(m.took) / float64(m.done))
}

// measure runs one claim, once with each value of the param that it varies.
func (m *claimsRun) measure(ctx context.Context, sc *scenarios.Scenario) (claim.Row, error) {
	c := sc.Claim
	row := claim.Row{ID: c.ID, Says: c.Says}
	values, dir := c.Values, filepath.Join(m.out, c.ID)
	if len(values) == 0 {
		values = []string{""}
	}
	var parts []claim.Part
	var errs []error
	for i, value := range values {
		into, name := dir, ""
		if value != "" {
			into, name = filepath.Join(dir, fmt.Sprint(i+1)), c.Param+" "+value
		}
		one, err := loadClaim(c.ID, c.Param, value)
		if err != nil {
			return row, err
		}
		part, err := m.run(ctx, one, into, &row)
		switch {
		case err != nil && (name == "" || ctx.Err() != nil):
			return row, err
		case err != nil: // the others are worth having
			err = fmt.Errorf("%s: %w", name, err)
			errs = append(errs, err)
			part = claim.Finding{Verdict: claim.Inconclusive, Why: "It was not measured."}
		}
		parts = append(parts, claim.Part{Name: name, Finding: part})
	}
	row.Finding = claim.Combine(parts)
	return row, errors.Join(errs...)
}

func (m *claimsRun) run(ctx context.Context, sc *scenarios.Scenario, dir string, row *claim.Row) (claim.Finding, error) {
	watcher := newProgress(m.s.out)
	record, err := runner.Run(ctx, runner.Options{Scenario: sc, Out: dir, Executable: m.exe,
		Version: versionText(), Command: os.Args, Realtime: m.realtime, MaxSteal: m.steal, Watcher: watcher})
	watcher.end()
	if record == nil {
		return claim.Finding{}, err
	}
	data, cerr := conclude(dir)
	if err = errors.Join(err, cerr); err != nil {
		return claim.Finding{}, err
	}
	row.Describe(data)
	return claim.Evaluate(data.Run.Claim, data)
}

// claimsFrom makes the rows again from the records below directories.
func claimsFrom(s streams, list []*scenarios.Scenario, o claimsOptions) error {
	found := map[string]claim.Row{}
	for _, root := range o.from {
		runs, err := claimRuns(root)
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			return fmt.Errorf("--from %s: there is no run of a claim in it; give a directory that wsgauge claims left", root)
		}
		for id, data := range runs {
			i := slices.IndexFunc(list, func(sc *scenarios.Scenario) bool { return sc.Claim.ID == id })
			if i < 0 {
				continue // not asked for, or none of this version's
			}
			row, err := rowOf(list[i].Claim, data)
			if err != nil {
				return err
			}
			found[id] = row
		}
	}
	var rows []claim.Row
	for _, sc := range list {
		row, ok := found[sc.Claim.ID]
		if !ok {
			row = claim.Row{ID: sc.Claim.ID, Says: sc.Claim.Says, NotMeasured: "There is no run of it among the records."}
		}
		rows = append(rows, row)
	}
	if err := showClaims(s, rows, o.write); err != nil {
		return err
	}
	return claimsEnding(rows, nil)
}

// claimRuns finds the runs of claims below a directory, by the claim's id, in the order
// of their directories.
func claimRuns(root string) (map[string][]*results.RunData, error) {
	runs := map[string][]*results.RunData{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("looking for runs: %w", err)
		}
		if e.Name() != "run.json" {
			return nil
		}
		data, err := results.Open(filepath.Dir(path))
		if err != nil {
			return err
		}
		if c := data.Run.Claim; c != nil {
			data.Intervals, data.Samples = nil, nil // not needed, and large
			runs[c.ID] = append(runs[c.ID], data)
		}
		return nil
	})
	return runs, err
}

// rowOf decides a claim by its runs, by the rules of this version.
func rowOf(c *scenarios.Claim, runs []*results.RunData) (claim.Row, error) {
	row := claim.Row{ID: c.ID, Says: c.Says}
	rules := runner.ClaimRecord(c)
	var parts []claim.Part
	for _, data := range runs {
		row.Describe(data)
		f, err := claim.Evaluate(rules, data)
		if err != nil {
			return row, fmt.Errorf("%s: %w", data.Path, err)
		}
		name := ""
		if c.Param != "" {
			name = c.Param + " " + data.Run.Params[c.Param]
		}
		parts = append(parts, claim.Part{Name: name, Finding: f})
	}
	if c.Param == "" {
		parts = parts[len(parts)-1:] // a file has one run; of several the last counts
	}
	row.Finding = claim.Combine(parts)
	return row, nil
}

// showClaims prints the table and writes the page.
func showClaims(s streams, rows []claim.Row, page string) error {
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(s.out)
	err := unlessClosed(claim.Table(s.out, rows))
	if page == "" {
		return err
	}
	var b strings.Builder
	if werr := claim.Markdown(&b, rows); werr != nil {
		return errors.Join(err, werr)
	}
	if werr := os.WriteFile(page, []byte(b.String()), 0o644); werr != nil {
		return errors.Join(err, fmt.Errorf("writing the page of claims: %w", werr))
	}
	return err
}

// claimsEnding is the exit code: what was decided is none, whichever way.
func claimsEnding(rows []claim.Row, err error) error {
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.NotMeasured != "" || r.Verdict == claim.Inconclusive {
			return &codedError{exitInconclusive, nil}
		}
	}
	return nil
}
