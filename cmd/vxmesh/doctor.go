package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A verdict is what a check came to.
type verdict string

// The verdicts, from the best to the worst.
const (
	verdictSkip verdict = "skip" // it could not be looked at, or there is nothing to look at
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn"
	verdictFail verdict = "fail"
)

// A doctorReport is what `doctor --json` prints.
type doctorReport struct {
	Schema  string                    `json:"schema"`
	Network string                    `json:"network"` // "" when there is none to look at
	Node    bool                      `json:"node"`    // one runs, and answers
	Checks  control.List[doctorCheck] `json:"checks"`  // a check that found several things is there as often
	Fixed   control.List[string]      `json:"fixed"`   // what --fix did, before these checks
	Bundle  string                    `json:"bundle"`  // the file of --bundle, or ""
}

// A doctorCheck is one thing that a check found.
type doctorCheck struct {
	Name    string  `json:"name"`
	Result  verdict `json:"result"`
	Message string  `json:"message"`
	Fix     string  `json:"fix"` // "" when there is nothing to do
}

// A finding is what a check has to say. What is safe to mend by itself has a mend, and says what it
// does.
type finding struct {
	verdict
	message, fix string

	does string
	mend func() error
}

func okay(format string, args ...any) []finding {
	return []finding{{verdict: verdictOK, message: fmt.Sprintf(format, args...)}}
}

func skip(format string, args ...any) []finding {
	return []finding{{verdict: verdictSkip, message: fmt.Sprintf(format, args...)}}
}

func warn(fix, format string, args ...any) finding {
	return finding{verdict: verdictWarn, message: fmt.Sprintf(format, args...), fix: fix}
}

func fail(fix, format string, args ...any) finding {
	return finding{verdict: verdictFail, message: fmt.Sprintf(format, args...), fix: fix}
}

// orOkay gives what was found, or that all is well when that is nothing.
func orOkay(found []finding, format string, args ...any) []finding {
	if len(found) > 0 {
		return found
	}
	return okay(format, args...)
}

// doctorChecks are all checks, in the order in which they are made.
var doctorChecks = []struct {
	name  string
	check func(context.Context, *patient) []finding
}{
	{"config", checkConfig},
	{"permissions", checkPermissions},
	{"node", checkNode},
	{"device", checkDevice},
	{"mtu", checkMTU},
	{"udp", checkUDP},
	{"nat", checkNAT},
	{"stun", checkSTUN},
	{"clock", checkClock},
	{"certificates", checkCertificates},
	{"firewall", checkFirewall},
	{"sysctls", checkSysctls},
	{"peers", checkPeers},
	{"service", checkService},
	{"crashes", checkCrashes},
}

func newDoctorCmd(g *globals) *cobra.Command {
	var fix bool
	var bundle string
	cmd := &cobra.Command{
		Use:   "doctor [NETWORK]",
		Short: "Look for what is wrong with this machine and its node, and say what to do",
		Long: "Looks at the config, the rights, the device, the network and the peers, whether a node\n" +
			"runs or not, and says what is wrong and what to do. With --fix it does what is safe: the\n" +
			"modes of files with keys, and as root the size of socket buffers; never a firewall.\n" +
			"--bundle packs what somebody who helps needs to know, without keys and invitations.\n" +
			"Ends with exit code 1 when a check failed. With sudo it sees more.",
		Example: "  sudo vxmesh doctor\n  vxmesh doctor home --json\n  sudo vxmesh doctor --bundle home.tar.gz",
		Args:    orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{sys: thisSystem(), fix: fix, bundle: bundle}
			return d.run(cmd, g)
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "do what is safe, and look again")
	cmd.Flags().StringVar(&bundle, "bundle", "", "write what was found, without secrets, to this tar.gz `FILE`")
	return cmd
}

// A doctor is one run of the command.
type doctor struct {
	sys    system
	fix    bool
	bundle string
}

func (d *doctor) run(cmd *cobra.Command, g *globals) error {
	show := newProgress(cmd, g, false)
	defer show.close()
	r, err := d.report(cmd.Context(), g, show)
	show.close()
	if err != nil {
		return err
	}
	if cmd.Context().Err() != nil {
		return control.Errorf(control.CodeFailed, "interrupted")
	}
	if err := answer(cmd.OutOrStdout(), g.json, *r, doctorText); err != nil {
		return err
	}
	if slices.ContainsFunc(r.Checks, func(c doctorCheck) bool { return c.Result == verdictFail }) {
		return &cmdError{code: exitFailed}
	}
	return nil
}

// report makes the checks, with --fix once more after what it mended, and packs the bundle.
func (d *doctor) report(ctx context.Context, g *globals, show *progress) (*doctorReport, error) {
	p, err := examine(ctx, g, d.sys)
	if err != nil {
		return nil, err
	}
	r := &doctorReport{Schema: "vxmesh.doctor/1", Bundle: d.bundle}
	found := p.checkAll(ctx, show)
	if d.fix {
		r.Fixed = mendAll(found)
	}
	if len(r.Fixed) > 0 {
		if p, err = examine(ctx, g, d.sys); err != nil {
			return nil, err
		}
		found = p.checkAll(ctx, show)
	}
	r.Network, r.Node = p.network, p.node != nil
	for i, c := range doctorChecks {
		for _, f := range found[i] {
			r.Checks = append(r.Checks, doctorCheck{c.name, f.verdict, f.message, f.fix})
		}
	}
	if d.bundle == "" {
		return r, nil
	}
	return r, show.try("packing "+d.bundle, d.bundle, func() error { return d.pack(ctx, p, *r) })
}

// checkAll makes every check, and gives what each of [doctorChecks] found.
func (p *patient) checkAll(ctx context.Context, show *progress) [][]finding {
	found := make([][]finding, len(doctorChecks))
	for i, c := range doctorChecks {
		done := show.step("checking "+c.name, c.name)
		found[i] = c.check(ctx, p)
		done(string(worst(found[i])))
	}
	return found
}

func worst(found []finding) verdict {
	order := []verdict{verdictSkip, verdictOK, verdictWarn, verdictFail}
	at := 0
	for _, f := range found {
		at = max(at, slices.Index(order, f.verdict))
	}
	return order[at]
}

// mendAll does what is safe, and says what it did or why not.
func mendAll(found [][]finding) (said []string) {
	for _, f := range slices.Concat(found...) {
		if f.mend == nil {
			continue
		}
		if err := f.mend(); err != nil {
			said = append(said, fmt.Sprintf("not done: %s: %v", f.does, err))
		} else {
			said = append(said, f.does)
		}
	}
	return said
}

func doctorText(r doctorReport) string {
	var b strings.Builder
	for _, done := range r.Fixed {
		fmt.Fprintf(&b, "fixed  %s\n", done)
	}
	count := map[verdict]int{}
	mendable := "--bundle FILE packs this for a bug report, keys left out"
	for _, c := range r.Checks {
		count[c.Result]++
		fmt.Fprintf(&b, "%-5s  %-12s  %s\n", c.Result, c.Name, c.Message)
		if c.Fix != "" {
			fmt.Fprintf(&b, "%-5s  %-12s  fix: %s\n", "", "", c.Fix)
		}
	}
	switch failed, warned := count[verdictFail], plural(count[verdictWarn], "warning", "warnings"); {
	case failed > 0:
		fmt.Fprintf(&b, "%d failed, %s.  --fix does what is safe, %s\n", failed, warned, mendable)
	case count[verdictWarn] > 0:
		fmt.Fprintf(&b, "%s.  %s\n", warned, mendable)
	default:
		b.WriteString("nothing is wrong\n")
	}
	if r.Bundle != "" {
		fmt.Fprintf(&b, "packed  %s\n", r.Bundle)
	}
	return b.String()
}
