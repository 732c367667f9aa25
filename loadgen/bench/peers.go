package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is a proxy that the tunnel is measured beside: one worker, nothing logged,
// nothing asked of it but to pass on.
type peer struct {
	name    string
	program string // path; empty: not installed
	argv    func(program, config string) []string
	config  string
}

// findPeers looks for the peers where distributions put them.
func findPeers() []peer {
	peers := []peer{
		{name: "nginx", config: nginxConfig, argv: func(program, config string) []string {
			return []string{program, "-p", filepath.Dir(config), "-c", config, "-e", "stderr"}
		}},
		{name: "haproxy", config: haproxyConfig, argv: func(program, config string) []string {
			return []string{program, "-db", "-f", config}
		}},
	}
	for i := range peers {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
			if path, err := exec.LookPath(filepath.Join(dir, peers[i].name)); err == nil {
				peers[i].program = path
				break
			}
		}
	}
	return peers
}

// serve starts the peer before a backend, in a directory of its own.
func (p *peer) serve(ctx context.Context, r *rig, cpus string, backend netip.AddrPort) (*server, error) {
	r.serial++
	dir := filepath.Join(r.dir, strconv.Itoa(r.serial)+"-"+p.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, p.name+".conf")
	return r.serve(ctx, p.name, cpus, func(addr netip.AddrPort) ([]string, error) {
		text := strings.NewReplacer("{listen}", addr.String(), "{backend}", backend.String(), "{dir}", dir).Replace(p.config)
		return p.argv(p.program, file), os.WriteFile(file, []byte(text), 0o644)
	})
}

// version is what the peer says it is.
func (p *peer) version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, p.program, "-v").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -v: %w", p.program, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line = strings.TrimPrefix(line, "nginx version: ")
	line, _, _ = strings.Cut(line, " - ")
	return line, nil
}

const nginxConfig = `daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 20000; }
http {
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	server {
		listen {listen} backlog=4096;
		location / {
			proxy_pass http://{backend};
			proxy_http_version 1.1;
			proxy_set_header Host $host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection upgrade;
			proxy_read_timeout 1h;
			proxy_send_timeout 1h;
		}
	}
}
`

const haproxyConfig = `global
	nbthread 1
	maxconn 9000
defaults
	mode http
	timeout connect 10s
	timeout client 1h
	timeout server 1h
	timeout tunnel 1h
frontend front
	bind {listen} backlog 4096
	default_backend echo
backend echo
	server echo {backend}
`
