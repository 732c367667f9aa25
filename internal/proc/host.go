package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"
)

// HostInfo is the machine that a run was made on.
type HostInfo struct {
	Name        string
	OS          string // "debian 13.1"
	Kernel      string // "6.12.0-1-amd64"
	Arch        string // as uname says: "x86_64"
	CPU         string // the model
	CPUs        int    // logical CPUs of the machine, whoever may use them
	MemoryBytes int64
	// MemoryAvailableBytes is what can be used at this moment without swapping.
	MemoryAvailableBytes int64
	// Sysctls are the settings that bear on a run, by their dotted names; one that
	// this kernel does not have is absent.
	Sysctls map[string]string
}

// sysctls are the settings that bear on how much a proxy can carry.
var sysctls = []string{
	"fs.file-max",
	"fs.nr_open",
	"kernel.pid_max",
	"kernel.threads-max",
	"net.core.netdev_max_backlog",
	"net.core.somaxconn",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_max_orphans",
	"net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.tcp_max_tw_buckets",
	"net.ipv4.tcp_mem",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_tw_reuse",
	"net.ipv4.tcp_wmem",
	"net.netfilter.nf_conntrack_max",
	"vm.max_map_count",
	"vm.overcommit_memory",
}

// Host describes this machine.
func Host() (HostInfo, error) {
	info, err := host.Info()
	if err != nil {
		return HostInfo{}, fmt.Errorf("describe the machine: %w", err)
	}
	memory, err := mem.VirtualMemory()
	if err != nil {
		return HostInfo{}, fmt.Errorf("describe the machine's memory: %w", err)
	}
	count, err := cpu.Counts(true)
	if err != nil {
		return HostInfo{}, fmt.Errorf("count the machine's CPUs: %w", err)
	}
	models, err := cpu.Info()
	if err != nil {
		return HostInfo{}, fmt.Errorf("describe the machine's CPUs: %w", err)
	}
	h := HostInfo{
		Name:                 info.Hostname,
		OS:                   strings.TrimSpace(info.Platform + " " + info.PlatformVersion),
		Kernel:               info.KernelVersion,
		Arch:                 info.KernelArch,
		CPUs:                 count,
		MemoryBytes:          int64(memory.Total),
		MemoryAvailableBytes: int64(memory.Available),
		Sysctls:              map[string]string{},
	}
	if len(models) > 0 {
		h.CPU = models[0].ModelName
	}
	for _, name := range sysctls {
		value, err := sysctl(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return h, fmt.Errorf("read sysctl %s: %w", name, err)
		}
		h.Sysctls[name] = value
	}
	return h, nil
}

// sysctl reads one setting; several numbers are parted by single spaces.
func sysctl(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")))
	return strings.Join(strings.Fields(string(text)), " "), err
}
